"""Decoders in GGUF: configuration from metadata, tensors under our names, tokenizer from the vocabulary."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NoReturn, cast

import torch
from torch import Tensor

from luoxia.core.errors import MalformedFileError
from luoxia.core.runtime import Runtime
from luoxia.models.gpt import GPT, GPTConfig
from luoxia.models.tokenizer import Tokenizer
from luoxia.weights.assemble import Tensors, assemble
from luoxia.weights.blocks import Blocks, convert, dequantise
from luoxia.weights.gguf import GGUFFile
from luoxia.weights.vocabulary import tokenizer_from_gguf

ARCHITECTURES = ("gpt2", "llama", "qwen2", "qwen3")

_NAMES = {
    "token_embd.weight": "wte.weight",
    "position_embd.weight": "wpe.weight",
    "output_norm.weight": "norm.weight",
    "output_norm.bias": "norm.bias",
    "output.weight": "head.weight",
}
_LAYER_NAMES = {
    "attn_norm": "attn_norm",
    "attn_q": "attn.q",
    "attn_k": "attn.k",
    "attn_v": "attn.v",
    "attn_output": "attn.o",
    "attn_q_norm": "attn.q_norm",
    "attn_k_norm": "attn.k_norm",
    "ffn_norm": "mlp_norm",
    "ffn_gate": "mlp.gate",
    "ffn_up": "mlp.up",
    "ffn_down": "mlp.down",
}


def load_gguf(path: str | Path, runtime: Runtime, *, dense: bool = False) -> tuple[GPT, Tokenizer]:
    """The decoder in the GGUF file ``path``. ``dense`` unpacks every matrix to float32 instead of keeping blocks."""
    with GGUFFile(path) as file:
        config = read_config(file)
        model = assemble(
            config, _tensors(file, config, dense or runtime.device.type != "cpu"), runtime, source=str(path)
        )
        tokenizer = tokenizer_from_gguf(file)
        if tokenizer.vocab_size > config.vocab_size:  # an id past the table would be read from beside it
            _refuse(
                file,
                f"its vocabulary has {tokenizer.vocab_size} tokens, its table {config.vocab_size}",
                f"词表有 {tokenizer.vocab_size} 个词，嵌入表只有 {config.vocab_size} 行",
            )
        return model, tokenizer


def _refuse(file: GGUFFile, en: str, zh: str) -> NoReturn:
    raise MalformedFileError(f"{file.path} cannot be used: {en}", f"{file.path} 无法使用：{zh}")


def _number(file: GGUFFile, key: str, kind: type, default: float | None = None) -> float:
    value = file.metadata.get(key, default)
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or (kind is int and not isinstance(value, int))
    ):
        _refuse(file, f"{key} is {str(value)[:40]!r}, not a number", f"{key} 为 {str(value)[:40]!r}，不是数")
    if not 0 < value < 2**40:
        _refuse(file, f"{key} is {value}, out of range", f"{key} 为 {value}，超出范围")
    return kind(value)


def read_config(file: GGUFFile) -> GPTConfig:
    """The :class:`GPTConfig` that the file's metadata and tensor names describe."""
    arch = file.metadata.get("general.architecture")
    if arch not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        _refuse(
            file,
            f"architecture {str(arch)[:40]!r} is not one of {known}",
            f"架构 {str(arch)[:40]!r} 不在 {known} 之列",
        )
    if file.metadata.get(f"{arch}.rope.scaling.type", "none") not in ("none", "linear"):
        kind = file.metadata[f"{arch}.rope.scaling.type"]
        _refuse(
            file, f"rope scaling {str(kind)[:40]!r} is not supported", f"不支持 rope 缩放 {str(kind)[:40]!r}"
        )

    def size(key: str, default: float | None = None) -> int:
        return int(_number(file, f"{arch}.{key}", int, default))

    if "token_embd.weight" not in file.tensors:
        _refuse(file, "it has no token_embd.weight", "没有 token_embd.weight")
    n_head, n_embd = size("attention.head_count"), size("embedding_length")
    gpt2 = arch == "gpt2"
    epsilon = f"{arch}.attention.layer_norm_epsilon" if gpt2 else f"{arch}.attention.layer_norm_rms_epsilon"
    head_size = size("attention.key_length", max(1, n_embd // n_head))
    try:
        return GPTConfig(
            vocab_size=file.tensors["token_embd.weight"].shape[0],
            block_size=size("context_length"),
            n_layer=size("block_count"),
            n_head=n_head,
            n_embd=n_embd,
            n_kv_head=size("attention.head_count_kv", n_head),
            head_size=head_size,
            n_ff=size("feed_forward_length"),
            norm="layernorm" if gpt2 else "rmsnorm",
            norm_eps=_number(file, epsilon, float, 1e-5),
            position="learned" if gpt2 else "rotary",
            rope_theta=_number(file, f"{arch}.rope.freq_base", float, 10_000.0),
            rope_factors=None if gpt2 else _rope_factors(file, arch, head_size),
            mlp="gelu" if gpt2 else "swiglu",
            qkv_bias=gpt2 or "blk.0.attn_q.bias" in file.tensors,
            out_bias=gpt2,
            mlp_bias=gpt2,
            qk_norm="blk.0.attn_q_norm.weight" in file.tensors,
            tied_head="output.weight" not in file.tensors,
        )
    except MalformedFileError:
        raise
    except ValueError as error:
        _refuse(file, str(error), str(error))


def _rope_factors(file: GGUFFile, arch: str, head_size: int) -> tuple[float, ...] | None:
    if "rope_freqs.weight" in file.tensors:
        raw, kind = file.read("rope_freqs.weight")
        factors = tuple(dequantise(raw, kind).flatten().tolist())
        if len(factors) != head_size // 2 or not all(0 < f < math.inf for f in factors):
            _refuse(
                file,
                f"rope_freqs.weight does not hold {head_size // 2} positive numbers",
                f"rope_freqs.weight 不是 {head_size // 2} 个正数",
            )
        return factors
    factor = _number(file, f"{arch}.rope.scaling.factor", float, 1.0)
    return None if factor == 1.0 else (factor,) * (head_size // 2)


def _tensors(file: GGUFFile, config: GPTConfig, dense: bool) -> Tensors:
    found: Tensors = {}
    for name, info in file.tensors.items():
        if name == "rope_freqs.weight":
            continue
        raw, kind = file.read(name)
        value = dequantise(raw, kind) if dense else convert(raw, kind)
        if len(info.shape) == 1:
            value = (value.dense() if isinstance(value, Blocks) else value).flatten().float()
        prefix, _, rest = name.removeprefix("blk.").partition(".")
        if not name.startswith("blk."):
            found[_NAMES.get(name, name)] = value
            continue
        stem, _, leaf = rest.rpartition(".")
        if stem == "attn_qkv":
            nq, nk = config.n_head * config.hs, config.kv_heads * config.hs
            for part, rows in (
                ("q", slice(0, nq)),
                ("k", slice(nq, nq + nk)),
                ("v", slice(nq + nk, nq + 2 * nk)),
            ):
                found[f"blocks.{prefix}.attn.{part}.{leaf}"] = _rows(value, rows)
            continue
        heads = {"attn_q": config.n_head, "attn_k": config.kv_heads}.get(stem)
        if heads and file.metadata["general.architecture"] == "llama":
            value = _halves_from_pairs(file, name, value, heads)
        found[f"blocks.{prefix}.{_LAYER_NAMES.get(stem, stem)}.{leaf}"] = value
    return found


def _rows(value: Tensor | Blocks, index: Tensor | slice) -> Tensor | Blocks:
    return value.rows(index) if isinstance(value, Blocks) else value[index].contiguous()


def _halves_from_pairs(file: GGUFFile, name: str, value: Tensor | Blocks, heads: int) -> Tensor | Blocks:
    """Undo the row order that GGUF gives Llama's q and k, where rotary pairs lie side by side."""
    rows = len(value.data if isinstance(value, Blocks) else value)
    if rows % (2 * heads):
        _refuse(
            file, f"{name} has {rows} rows for {heads} heads", f"{name} 有 {rows} 行，而注意力头为 {heads}"
        )
    order = torch.arange(rows).view(heads, -1, 2).transpose(1, 2).reshape(-1)
    return _rows(value, cast(Tensor, order))
