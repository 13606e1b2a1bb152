"""Hugging Face folders of GPT-2, Llama, Qwen2 and Qwen3: read into our network, and written back from it.

The files are ``config.json``, ``model.safetensors`` (or its shards) and ``tokenizer.json``; nothing in them is
executed.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any, NoReturn

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from luoxia.core.errors import MalformedFileError
from luoxia.core.folder import write_atomically
from luoxia.core.runtime import Runtime
from luoxia.models.gpt import GPT, GPTConfig
from luoxia.models.tokenizer import Tokenizer
from luoxia.nn.lowbit import BlockLinear, BlockWeights
from luoxia.nn.rotary import llama3_factors
from luoxia.weights.assemble import assemble
from luoxia.weights.vocabulary import tokenizer_from_folder

FAMILIES = ("gpt2", "llama", "qwen2", "qwen3")

# Theirs to ours, within a layer and outside; Llama, Qwen2 and Qwen3 share one set of names.
_LLAMA = {"model.embed_tokens": "wte", "model.norm": "norm", "lm_head": "head"}
_LLAMA_LAYER = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn.q",
    "self_attn.k_proj": "attn.k",
    "self_attn.v_proj": "attn.v",
    "self_attn.o_proj": "attn.o",
    "self_attn.q_norm": "attn.q_norm",
    "self_attn.k_norm": "attn.k_norm",
    "post_attention_layernorm": "mlp_norm",
    "mlp.gate_proj": "mlp.gate",
    "mlp.up_proj": "mlp.up",
    "mlp.down_proj": "mlp.down",
}
_GPT2 = {"transformer.wte": "wte", "transformer.wpe": "wpe", "transformer.ln_f": "norm"}
_GPT2_LAYER = {
    "ln_1": "attn_norm",
    "attn.c_proj": "attn.o",
    "ln_2": "mlp_norm",
    "mlp.c_fc": "mlp.up",
    "mlp.c_proj": "mlp.down",
}
# What must be a number where it is given.
_COUNTS = (
    *("vocab_size", "n_positions", "n_layer", "n_head", "n_embd", "n_inner", "max_position_embeddings"),
    *("num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim"),
    *("hidden_size", "intermediate_size"),
)
_NUMBERS = dict.fromkeys(_COUNTS, int) | dict.fromkeys(
    ("layer_norm_epsilon", "rms_norm_eps", "initializer_range"), int | float
)
_GPT2_OPTIONS = {
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "tie_word_embeddings": True,
}
_LAYER = re.compile(r"(model\.layers|transformer\.h)\.(\d{1,4})\.(.+)\.(weight|bias)")


def _refuse(path: Path, en: str, zh: str) -> NoReturn:
    raise MalformedFileError(f"{path} cannot be used: {en}", f"{path} 无法使用：{zh}")


def load_folder(folder: str | Path, runtime: Runtime) -> tuple[GPT, Tokenizer]:
    """The decoder in ``folder``, in float32 on a CPU and in ``runtime.dtype`` elsewhere."""
    folder = Path(folder)
    config, family = read_config(folder / "config.json")
    tensors = from_huggingface(_read_tensors(folder), family, config)
    if config.tied_head:
        tensors.pop("head.weight", None)
    model = assemble(config, dict(tensors), runtime, source=str(folder))
    tokenizer = tokenizer_from_folder(folder)
    last = max(tokenizer.engine.get_vocab(with_added_tokens=True).values(), default=0)
    if last >= config.vocab_size:
        _refuse(
            folder,
            f"its tokenizer has a token {last}, its table {config.vocab_size} rows",
            f"分词器含有编号 {last} 的词，嵌入表只有 {config.vocab_size} 行",
        )
    return model, tokenizer


def read_config(path: Path) -> tuple[GPTConfig, str]:
    """Our configuration, and which family's names the tensors have."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        family = raw["model_type"]
        if family not in FAMILIES:
            known = ", ".join(FAMILIES)
            _refuse(
                path,
                f"model type {str(family)[:40]!r} is not one of {known}",
                f"模型类型 {str(family)[:40]!r} 不在 {known} 之列",
            )
        for key, kind in _NUMBERS.items():
            value = raw.get(key)
            if value is not None and (isinstance(value, bool) or not isinstance(value, kind)):
                raise ValueError(f"{key} is {str(value)[:40]!r}, not a number")
        return (_gpt2_config(raw) if family == "gpt2" else _llama_config(raw, family)), family
    except MalformedFileError:
        raise
    except OSError as error:
        _refuse(path, f"it cannot be read: {error.strerror}", f"无法读取：{error.strerror}")
    except KeyError as error:
        _refuse(path, f"{error} is missing", f"缺少 {error}")
    except (ValueError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        _refuse(path, str(error)[:200], str(error)[:200])


def _gpt2_config(raw: dict[str, Any]) -> GPTConfig:
    if raw.get("activation_function", "gelu_new") not in ("gelu_new", "gelu_pytorch_tanh"):
        raise ValueError(f"activation {raw['activation_function']!r} is not GPT-2's")
    for option, usual in _GPT2_OPTIONS.items():
        if raw.get(option, usual) != usual:
            raise ValueError(f"{option} {str(raw[option])[:40]} is not supported for GPT-2")
    return GPTConfig(
        vocab_size=raw["vocab_size"],
        block_size=raw["n_positions"],
        n_layer=raw["n_layer"],
        n_head=raw["n_head"],
        n_embd=raw["n_embd"],
        n_ff=raw.get("n_inner"),
        norm_eps=raw.get("layer_norm_epsilon", 1e-5),
        init_std=raw.get("initializer_range", 0.02),
    )


def _llama_config(raw: dict[str, Any], family: str) -> GPTConfig:
    if raw.get("hidden_act", "silu") != "silu" or raw.get("mlp_bias"):
        raise ValueError("its MLP is not the SwiGLU of this family")
    if family == "llama" and raw.get("attention_bias"):
        raise ValueError("attention_bias is not supported for Llama")
    if raw.get("use_sliding_window"):
        raise ValueError("sliding windows are not supported")
    n_head = raw["num_attention_heads"]
    hs = raw.get("head_dim") or raw["hidden_size"] // n_head
    # Newer folders keep theta and scaling together under rope_parameters.
    rope = raw.get("rope_parameters") or raw.get("rope_scaling") or {}
    theta = float(rope.get("rope_theta") or raw.get("rope_theta", 10_000.0))
    return GPTConfig(
        vocab_size=raw["vocab_size"],
        block_size=raw["max_position_embeddings"],
        n_layer=raw["num_hidden_layers"],
        n_head=n_head,
        n_embd=raw["hidden_size"],
        n_kv_head=raw.get("num_key_value_heads") or n_head,
        head_size=hs,
        n_ff=raw["intermediate_size"],
        norm="rmsnorm",
        norm_eps=raw.get("rms_norm_eps", 1e-6),
        position="rotary",
        rope_theta=theta,
        rope_factors=_rope_factors(rope, hs, theta),
        mlp="swiglu",
        qkv_bias=family == "qwen2",
        out_bias=False,
        mlp_bias=False,
        qk_norm=family == "qwen3",
        tied_head=bool(raw.get("tie_word_embeddings", False)),
        init_std=raw.get("initializer_range", 0.02),
    )


def _rope_factors(rope: dict[str, Any], hs: int, theta: float) -> tuple[float, ...] | None:
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind == "default":
        return None
    if kind == "linear":
        factors = (float(rope["factor"]),) * (hs // 2)
    elif kind == "llama3":
        low, high = rope["low_freq_factor"], rope["high_freq_factor"]
        length = rope["original_max_position_embeddings"]
        factors = llama3_factors(hs, theta, rope["factor"], low, high, length)
    else:
        raise ValueError(f"rope scaling {kind!r} is not supported")
    if not all(0 < factor < math.inf for factor in factors):
        raise ValueError("rope scaling does not divide by positive numbers")
    return factors


def _read_tensors(folder: Path) -> dict[str, Tensor]:
    index = folder / "model.safetensors.index.json"
    names = ["model.safetensors"]
    try:
        if index.is_file():
            names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        tensors: dict[str, Tensor] = {}
        for name in names:
            if Path(name).name != name:
                _refuse(
                    index,
                    f"shard {name!r:.80} is not a plain file name",
                    f"分片 {name!r:.80} 不是单纯的文件名",
                )
            tensors |= load_file(folder / name)
    except (
        SafetensorError,
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        if isinstance(error, MalformedFileError):
            raise
        _refuse(folder, f"its weights cannot be read: {error}", f"无法读取其权重：{error}")
    return tensors


def from_huggingface(theirs: dict[str, Tensor], family: str, config: GPTConfig) -> dict[str, Tensor]:
    """Tensors under our names; GPT-2's joint, transposed projection is cut into q, k and v."""
    ours: dict[str, Tensor] = {}
    outer, inner = (_GPT2, _GPT2_LAYER) if family == "gpt2" else (_LLAMA, _LLAMA_LAYER)
    for name, tensor in theirs.items():
        if family == "gpt2" and not name.startswith(("transformer.", "lm_head.")):
            name = f"transformer.{name}"
        if name.endswith((".attn.bias", ".attn.masked_bias", "rotary_emb.inv_freq")) or (
            family == "gpt2" and name.startswith("lm_head")
        ):
            continue  # buffers, and the second name of a tied table
        found = _LAYER.fullmatch(name)
        if not found:
            stem, _, leaf = name.rpartition(".")
            ours[f"{outer.get(stem, stem)}.{leaf}"] = tensor
            continue
        _, layer, stem, leaf = found.groups()
        turned = tensor.T.contiguous() if family == "gpt2" and tensor.ndim == 2 else tensor
        width = config.n_head * config.hs
        if stem == "attn.c_attn" and turned.shape[:1] == (3 * width,):
            for part, rows in zip("qkv", turned.split(width), strict=True):
                ours[f"blocks.{layer}.attn.{part}.{leaf}"] = rows.contiguous()
        else:
            ours[f"blocks.{layer}.{inner.get(stem, stem)}.{leaf}"] = turned
    return ours


def to_huggingface(model: GPT) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors under Hugging Face's names in float32, and ``config.json``."""
    config = model.config
    family = _family(config)
    ours = {name: p.detach().float() for name, p in model.named_parameters()}
    for place, module in model.named_modules():
        if isinstance(module, BlockWeights):  # whose matrices are not parameters
            ours[f"{place}.weight"] = module.weight
            if isinstance(module, BlockLinear) and module.bias is not None:
                ours[f"{place}.bias"] = module.bias
    outer, inner = (_GPT2, _GPT2_LAYER) if family == "gpt2" else (_LLAMA, _LLAMA_LAYER)
    outer, inner = {v: k for k, v in outer.items()}, {v: k for k, v in inner.items()}
    theirs: dict[str, Tensor] = {}
    for name, tensor in ours.items():
        place, _, leaf = name.rpartition(".")
        found = re.fullmatch(r"blocks\.(\d+)\.(.+)", place)
        if not found:
            theirs[f"{outer[place]}.{leaf}"] = tensor
            continue
        layer, stem = found.groups()
        if family == "gpt2":
            if stem in ("attn.k", "attn.v"):
                continue
            if stem == "attn.q":
                tensor = torch.cat([ours[f"blocks.{layer}.attn.{part}.{leaf}"] for part in "qkv"])
            turned = tensor.T if tensor.ndim == 2 else tensor
            theirs[f"transformer.h.{layer}.{inner.get(stem, 'attn.c_attn')}.{leaf}"] = turned
        else:
            theirs[f"model.layers.{layer}.{inner[stem]}.{leaf}"] = tensor
    return {name: t.contiguous() for name, t in theirs.items()}, _raw_config(config, family)


def _family(c: GPTConfig) -> str:
    if c.band is not None:
        raise ValueError("banded attention has no Hugging Face family to be written as")
    rotary = (c.position, c.norm, c.mlp, c.out_bias, c.mlp_bias) == (
        "rotary",
        "rmsnorm",
        "swiglu",
        False,
        False,
    )
    learned = (c.position, c.norm, c.mlp, c.out_bias, c.mlp_bias) == (
        "learned",
        "layernorm",
        "gelu",
        True,
        True,
    )
    if (
        learned
        and c.qkv_bias
        and c.tied_head
        and c.kv_heads == c.n_head
        and not c.qk_norm
        and c.hs * c.n_head == c.n_embd
    ):
        return "gpt2"
    if rotary and not (c.qk_norm and c.qkv_bias):
        return "qwen3" if c.qk_norm else "qwen2" if c.qkv_bias else "llama"
    raise ValueError("this combination of parts has no Hugging Face family to be written as")


def _raw_config(c: GPTConfig, family: str) -> dict[str, Any]:
    if family == "gpt2":
        return {
            "architectures": ["GPT2LMHeadModel"],
            "model_type": "gpt2",
            "vocab_size": c.vocab_size,
            "n_positions": c.block_size,
            "n_layer": c.n_layer,
            "n_head": c.n_head,
            "n_embd": c.n_embd,
            "n_inner": c.ff,
            "layer_norm_epsilon": c.norm_eps,
            "activation_function": "gelu_new",
            "initializer_range": c.init_std,
            "tie_word_embeddings": True,
        }
    if c.rope_factors is not None and len(set(c.rope_factors)) > 1:
        raise ValueError("frequencies divided one by one cannot be written to config.json")
    architecture = {"llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM", "qwen3": "Qwen3ForCausalLM"}[
        family
    ]
    return {
        "architectures": [architecture],
        "model_type": family,
        "vocab_size": c.vocab_size,
        "max_position_embeddings": c.block_size,
        "num_hidden_layers": c.n_layer,
        "num_attention_heads": c.n_head,
        "num_key_value_heads": c.kv_heads,
        "head_dim": c.hs,
        "hidden_size": c.n_embd,
        "intermediate_size": c.ff,
        "hidden_act": "silu",
        "rms_norm_eps": c.norm_eps,
        "rope_theta": c.rope_theta,
        "rope_scaling": {"rope_type": "linear", "factor": c.rope_factors[0]} if c.rope_factors else None,
        "tie_word_embeddings": c.tied_head,
        "initializer_range": c.init_std,
        "attention_bias": False,
        "torch_dtype": "float32",
    }


def export_folder(
    model: GPT, tokenizer: Tokenizer, folder: str | Path, *, dtype: torch.dtype = torch.float32
) -> Path:
    """Write ``model`` so that ``transformers`` loads it; weights in blocks are unpacked to ``dtype``."""
    folder = Path(folder)
    tensors, config = to_huggingface(model)
    config["torch_dtype"] = str(dtype).removeprefix("torch.")
    weights = {name: t.to(dtype) for name, t in tensors.items()}
    ends = sorted(tokenizer.stop_ids)
    if ends:
        config["eos_token_id"] = ends[0] if len(ends) == 1 else ends
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": tokenizer.bos,
        "eos_token": tokenizer.eos,
        "chat_template": tokenizer.template,
        "add_bos_token": tokenizer.add_bos,
        "model_max_length": model.config.block_size,
    }
    files = {
        "model.safetensors": save(weights, metadata={"format": "pt"}),
        "config.json": _json(config),
        "tokenizer_config.json": _json({k: v for k, v in settings.items() if v is not None}),
        "tokenizer.json": tokenizer.engine.to_str(pretty=True).encode(),
    }
    for name, data in files.items():
        with write_atomically(folder / name) as file:
            file.write(data)
    return folder


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, indent=2, ensure_ascii=False).encode()
