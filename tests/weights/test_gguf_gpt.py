"""Decoders in GGUF files, laid out as llama.cpp's converter does, against the reference implementation."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from families import reference
from gguf import GGUFValueType
from gguf_files import byte_level_vocabulary, write_gguf

from luoxia.core.errors import MalformedFileError
from luoxia.core.runtime import Runtime
from luoxia.generate.fused import fits
from luoxia.nn.lowbit import BlockWeights
from luoxia.nn.rotary import llama3_factors
from luoxia.weights.gguf_gpt import load_gguf

CPU = Runtime(torch.device("cpu"), torch.float32, 2, "test")
U32 = GGUFValueType.UINT32

LLAMA_NAMES = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
}
GPT2_NAMES = {
    "ln_1": "attn_norm",
    "attn.c_attn": "attn_qkv",
    "attn.c_proj": "attn_output",
    "ln_2": "ffn_norm",
    "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
    "transformer.wte": "token_embd",
    "transformer.wpe": "position_embd",
    "transformer.ln_f": "output_norm",
}
ARCHITECTURES = {"gpt2": "gpt2", "qwen2": "qwen2", "qwen3": "qwen3", "llama": "llama", "llama-tied": "llama"}


def pairs_from_halves(weight: np.ndarray, n_head: int) -> np.ndarray:
    """The order of rows that llama.cpp's converter gives Llama's q and k."""
    split = weight.reshape(n_head, 2, weight.shape[0] // n_head // 2, *weight.shape[1:])
    return np.ascontiguousarray(split.swapaxes(1, 2)).reshape(weight.shape)


def metadata(theirs, arch: str, **changes: object) -> dict[str, object]:
    c = theirs.config
    entries: dict[str, object] = {
        "context_length": (64, U32),
        "embedding_length": (64, U32),
        "block_count": (3, U32),
        "attention.head_count": (4, U32),
        "feed_forward_length": (256 if arch == "gpt2" else 96, U32),
    }
    if arch == "gpt2":
        entries["attention.layer_norm_epsilon"] = c.layer_norm_epsilon
    else:
        entries["attention.head_count_kv"] = (c.num_key_value_heads, U32)
        entries["attention.layer_norm_rms_epsilon"] = c.rms_norm_eps
        entries["rope.freq_base"] = float(c.rope_parameters["rope_theta"])
    if arch == "qwen3":
        entries["attention.key_length"] = entries["attention.value_length"] = (c.head_dim, U32)
    entries |= changes
    known = {f"{arch}.{key}": value for key, value in entries.items() if value is not None}
    return {"general.architecture": arch, **known, **byte_level_vocabulary(97)}


def tensors(theirs, arch: str, form: str = "F32") -> dict[str, tuple[np.ndarray, str]]:
    """``form`` is that of the matrices; vectors are always in F32."""
    found: dict[str, tuple[np.ndarray, str]] = {}
    names = GPT2_NAMES if arch == "gpt2" else LLAMA_NAMES
    for name, value in theirs.state_dict().items():
        if name == "lm_head.weight" and (arch == "gpt2" or theirs.config.tie_word_embeddings):
            continue
        weight, (stem, leaf) = value.numpy(), name.rsplit(".", 1)
        layer = ""
        if stem.startswith(("model.layers.", "transformer.h.")):
            _, _, number, stem = stem.split(".", 3)
            layer = f"blk.{number}."
        if arch == "gpt2" and layer and weight.ndim == 2:
            weight = weight.T
        if arch == "llama" and stem in ("self_attn.q_proj", "self_attn.k_proj"):
            weight = pairs_from_halves(weight, 4 if "q_proj" in stem else 2)
        found[f"{layer}{names[stem]}.{leaf}"] = (weight, form if weight.ndim == 2 else "F32")
    return found


def write(path, name: str = "llama", *, form: str = "F32", theirs=None, values=None, **changes):
    """A file of the reference model ``name``; ``changes`` replace metadata and tensors, None leaves them out."""
    theirs, arch = theirs or reference(name), ARCHITECTURES[name]
    placed = tensors(theirs, arch, form) | changes
    facts = metadata(theirs, arch) | (values or {})
    return write_gguf(
        path / "tiny.gguf",
        {key: value for key, value in facts.items() if value is not None},
        {key: value for key, value in placed.items() if value is not None},
    )


def ids() -> torch.Tensor:
    return torch.randint(0, 97, (2, 40), generator=torch.Generator().manual_seed(1))


def distance(a: torch.Tensor, b: torch.Tensor) -> float:
    """The largest difference, as a share of the largest logit."""
    return float((a - b).abs().max() / b.abs().max())


@pytest.mark.parametrize("name", ARCHITECTURES)
@torch.no_grad()
def test_logits_equal_the_reference(name, tmp_path):
    theirs = reference(name)
    ours, tokenizer = load_gguf(write(tmp_path, name, theirs=theirs), CPU, dense=True)
    assert distance(ours(ids()), theirs(ids()).logits) < 1e-5
    assert tokenizer.decode(tokenizer.encode("Luoxia at dusk")) == "Luoxia at dusk"
    assert not any(isinstance(module, BlockWeights) for module in ours.modules())


@pytest.mark.parametrize(("form", "near"), [("Q8_0", 0.04), ("Q4_1", 0.4)])
@pytest.mark.parametrize("name", ["llama", "qwen2", "qwen3"])
@torch.inference_mode()
def test_matrices_kept_in_blocks_come_near_the_reference_and_fit_the_compiled_decoder(
    name, form, near, tmp_path
):
    theirs = reference(name)
    path = write(tmp_path, name, theirs=theirs, form=form)
    blocks, _ = load_gguf(path, CPU)
    assert fits(blocks)
    assert {m.form for m in blocks.modules() if isinstance(m, BlockWeights)} == {form}
    assert distance(blocks(ids()), theirs(ids()).logits) < near
    dense, _ = load_gguf(path, CPU, dense=True)
    assert not fits(dense)
    assert distance(blocks(ids()), dense(ids())) < 1e-5


@torch.no_grad()
def test_frequencies_divided_one_by_one_equal_the_reference(tmp_path):
    theirs = reference("llama-stretched")
    rope = theirs.config.rope_parameters
    factors = llama3_factors(16, rope["rope_theta"], 8.0, 1.0, 4.0, 32)
    table = (np.array(factors, np.float32), "F32")
    path = write(tmp_path, theirs=theirs, **{"rope_freqs.weight": table})
    expected = theirs(ids()).logits
    assert distance(load_gguf(path, CPU, dense=True)[0](ids()), expected) < 1e-5
    without = write(tmp_path, theirs=theirs)
    assert distance(load_gguf(without, CPU, dense=True)[0](ids()), expected) > 1e-3


@torch.no_grad()
def test_linear_scaling_slows_every_position(tmp_path):
    scaling = {"llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": 4.0}
    theirs = reference("llama")
    theirs.model.rotary_emb.inv_freq /= 4
    ours, _ = load_gguf(write(tmp_path, theirs=theirs, values=scaling), CPU, dense=True)
    assert distance(ours(ids()), theirs(ids()).logits) < 1e-5


def ones(*shape: int) -> tuple[np.ndarray, str]:
    return np.ones(shape, np.float32), "F32"


REFUSED = {
    "missing tensor": ({"blk.1.ffn_up.weight": None}, {}, r"lacks blocks.1.mlp.up.weight \(1 in all\)"),
    "missing table": ({"token_embd.weight": None}, {}, "has no token_embd.weight"),
    "missing norm": ({"output_norm.weight": None}, {}, "lacks norm.weight"),
    "surplus tensor": ({"blk.0.ssm_a.weight": ones(4)}, {}, "no place for: blocks.0.ssm_a.weight"),
    "surplus layer": ({"blk.3.ffn_up.weight": ones(96, 64)}, {}, "no place for: blocks.3.mlp.up.weight"),
    "surplus bias": ({"blk.1.attn_q.bias": ones(64)}, {}, "no place for: blocks.1.attn.q.bias"),
    "wrong shape": ({"blk.0.ffn_up.weight": ones(95, 64)}, {}, "wrong shape: blocks.0.mlp.up.weight"),
    "turned": ({"blk.0.ffn_up.weight": ones(64, 96)}, {}, "wrong shape: blocks.0.mlp.up.weight"),
    "norm of the wrong width": ({"output_norm.weight": ones(63)}, {}, "wrong shape: norm.weight"),
    "odd rows of q": ({"blk.0.attn_q.weight": ones(61, 64)}, {}, "attn_q.weight has 61 rows for 4 heads"),
    "few frequencies": ({"rope_freqs.weight": ones(7)}, {}, "rope_freqs.weight"),
    "frequencies of zero": ({"rope_freqs.weight": (np.zeros(8, np.float32), "F32")}, {}, "rope_freqs.weight"),
    "unknown architecture": ({}, {"general.architecture": "mamba"}, "'mamba' is not one of gpt2, llama"),
    "architecture a number": ({}, {"general.architecture": (7, U32)}, "architecture '7' is not one of"),
    "size a text": ({}, {"llama.embedding_length": "64"}, "embedding_length is '64', not a number"),
    "size a fraction": ({}, {"llama.embedding_length": 64.0}, "embedding_length is '64.0', not a number"),
    "size a truth": ({}, {"llama.block_count": True}, "block_count is 'True', not a number"),
    "size a list": ({}, {"llama.attention.head_count_kv": [2, 2, 2]}, "head_count_kv is .* not a number"),
    "size missing": ({}, {"llama.context_length": None}, "context_length is 'None', not a number"),
    "size zero": ({}, {"llama.attention.head_count": (0, U32)}, "head_count is 0, out of range"),
    "epsilon a text": ({}, {"llama.attention.layer_norm_rms_epsilon": "small"}, "epsilon is 'small'"),
    "epsilon no number": ({}, {"llama.attention.layer_norm_rms_epsilon": float("nan")}, "out of range"),
    "theta negative": ({}, {"llama.rope.freq_base": -1.0}, "freq_base is -1.0, out of range"),
    "heads that do not divide": ({}, {"llama.attention.head_count_kv": (3, U32)}, "not a multiple"),
    "yarn": ({}, {"llama.rope.scaling.type": "yarn"}, "rope scaling 'yarn' is not supported"),
    "layers without end": ({}, {"llama.block_count": (1 << 31, U32)}, "states n_layer 2147483648"),
    "context without end": ({}, {"llama.context_length": (1 << 31, U32)}, "states block_size 2147483648"),
    "width without end": (
        {},
        {
            "llama.feed_forward_length": (1 << 39, GGUFValueType.UINT64),
            "llama.embedding_length": (1 << 31, U32),
        },
        "states sizes that no memory holds",
    ),
    "table smaller than the head": ({"token_embd.weight": ones(96, 64)}, {}, "wrong shape: head.weight"),
    "no vocabulary": ({}, {"tokenizer.ggml.tokens": None}, "no list of tokens"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_contradicts_itself_is_refused_at_once(name, tmp_path):
    changes, values, message = REFUSED[name]
    path = write(tmp_path, values=values, **changes)
    begun = time.perf_counter()
    with pytest.raises(MalformedFileError, match=message) as caught:
        load_gguf(path, CPU)
    assert time.perf_counter() - begun < 2
    assert str(path) in str(caught.value)


def test_a_vocabulary_larger_than_a_tied_table_is_refused(tmp_path):
    path = write(tmp_path, "llama-tied", **{"token_embd.weight": ones(96, 64)})
    with pytest.raises(MalformedFileError, match=r"97 .* 96"):
        load_gguf(path, CPU)


def test_a_joint_projection_of_the_wrong_size_is_refused(tmp_path):
    path = write(tmp_path, "gpt2", **{"blk.0.attn_qkv.weight": ones(150, 64)})
    with pytest.raises(MalformedFileError, match=r"wrong shape: blocks\.0\.attn\.[kv]\.weight"):
        load_gguf(path, CPU)
