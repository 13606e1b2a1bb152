"""Folders of Hugging Face: what we write transformers reads, what it writes we read, and what is broken is refused."""

from __future__ import annotations

import dataclasses
import json
import struct
import time
from pathlib import Path

import pytest
import torch
import transformers
from families import CONFIGS, reference
from gguf_files import byte_level_vocabulary, write_gguf
from safetensors.torch import load_file, save_file

from luoxia.core.errors import MalformedFileError
from luoxia.core.runtime import Runtime
from luoxia.models.gpt import GPT, GPTConfig
from luoxia.models.tokenizer import Tokenizer
from luoxia.nn.kernels import Team
from luoxia.nn.lowbit import pack
from luoxia.weights.assemble import assemble
from luoxia.weights.blocks import Blocks
from luoxia.weights.gguf import GGUFFile
from luoxia.weights.gguf_gpt import load_gguf
from luoxia.weights.huggingface import export_folder, load_folder
from luoxia.weights.vocabulary import tokenizer_from_gguf

CPU = Runtime(torch.device("cpu"), torch.float32, 2, "test")
# Frequencies divided one by one have no place in config.json.
WRITABLE = [name for name in CONFIGS if name != "llama-stretched"]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory) -> Tokenizer:
    path = write_gguf(tmp_path_factory.mktemp("v") / "v.gguf", byte_level_vocabulary(97), {})
    with GGUFFile(path) as file:
        return tokenizer_from_gguf(file)


def ids() -> torch.Tensor:
    return torch.randint(0, 97, (2, 40), generator=torch.Generator().manual_seed(1))


def distance(a: torch.Tensor, b: torch.Tensor) -> float:
    """The largest difference, as a share of the largest logit."""
    return float((a - b).abs().max() / b.abs().max())


def written_by_them(name: str, folder: Path, tokenizer: Tokenizer, **saving: object):
    """A folder as transformers writes it, and the model in it."""
    theirs = reference(name)
    theirs.save_pretrained(folder, **saving)
    (folder / "tokenizer.json").write_text(tokenizer.engine.to_str(), encoding="utf-8")
    return theirs


def change(path: Path, **changes: object) -> None:
    """Rewrite a JSON file; None leaves a key out."""
    value = json.loads(path.read_text(encoding="utf-8")) | changes
    path.write_text(json.dumps({k: v for k, v in value.items() if v is not None}), encoding="utf-8")


def read_by_them(folder: Path):
    return transformers.AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()


@pytest.mark.parametrize("name", CONFIGS)
@torch.no_grad()
def test_a_folder_that_transformers_wrote_gives_the_same_logits(name, tmp_path, tokenizer):
    theirs = written_by_them(name, tmp_path, tokenizer)
    ours, found = load_folder(tmp_path, CPU)
    assert distance(ours(ids()), theirs(ids()).logits) < 1e-5
    assert found.encode("Luoxia!") == tokenizer.encode("Luoxia!")


@torch.no_grad()
def test_a_folder_in_shards_gives_the_same_logits(tmp_path, tokenizer):
    theirs = written_by_them("llama", tmp_path, tokenizer, max_shard_size="100KB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 2
    assert not (tmp_path / "model.safetensors").exists()
    assert distance(load_folder(tmp_path, CPU)[0](ids()), theirs(ids()).logits) < 1e-5


@pytest.mark.parametrize("name", WRITABLE)
@torch.no_grad()
def test_transformers_loads_what_we_write_and_we_read_it_back(name, tmp_path, tokenizer):
    written_by_them(name, tmp_path / "theirs", tokenizer)
    ours, _ = load_folder(tmp_path / "theirs", CPU)
    folder = export_folder(ours, tokenizer, tmp_path / "ours")
    expected = ours(ids())
    theirs = read_by_them(folder)
    assert distance(theirs(ids()).logits, expected) < 1e-5
    assert type(theirs.config) is type(CONFIGS[name]())
    assert theirs.config.eos_token_id == 96
    again, back = load_folder(folder, CPU)
    assert again.config == dataclasses.replace(ours.config, n_ff=ours.config.ff)
    assert torch.equal(again(ids()), expected)
    assert (back.eos, back.stop_ids) == (tokenizer.eos, tokenizer.stop_ids)


@torch.no_grad()
def test_scaled_positions_survive_the_way_there_and_back(tmp_path, tokenizer):
    written_by_them("llama", tmp_path / "theirs", tokenizer)
    change(
        tmp_path / "theirs" / "config.json",
        rope_parameters={"rope_type": "linear", "factor": 4.0, "rope_theta": 500.0},
    )
    ours, _ = load_folder(tmp_path / "theirs", CPU)
    assert ours.config.rope_factors == (4.0,) * 8
    folder = export_folder(ours, tokenizer, tmp_path / "ours")
    for theirs in (read_by_them(tmp_path / "theirs"), read_by_them(folder)):
        assert distance(theirs(ids()).logits, ours(ids())) < 1e-5


@pytest.mark.parametrize("name", ["llama", "qwen2", "qwen3"])
@torch.no_grad()
def test_weights_in_blocks_are_written_as_what_they_stand_for(name, tmp_path, tokenizer):
    written_by_them(name, tmp_path / "theirs", tokenizer)
    dense, _ = load_folder(tmp_path / "theirs", CPU)
    tensors = {
        key: Blocks(pack(p, "Q8_0"), "Q8_0") if p.ndim == 2 else p.detach()
        for key, p in dense.named_parameters()
    }
    low_bit = assemble(dense.config, tensors, CPU, source="test", team=Team(2))
    theirs = read_by_them(export_folder(low_bit, tokenizer, tmp_path / "ours"))
    assert distance(theirs(ids()).logits, low_bit(ids())) < 1e-5


def test_half_precision_is_written_when_asked_for(tmp_path, tokenizer):
    written_by_them("llama", tmp_path / "theirs", tokenizer)
    ours, _ = load_folder(tmp_path / "theirs", CPU)
    folder = export_folder(ours, tokenizer, tmp_path / "ours", dtype=torch.bfloat16)
    assert {t.dtype for t in load_file(folder / "model.safetensors").values()} == {torch.bfloat16}
    assert read_by_them(folder).dtype is torch.bfloat16
    again, _ = load_folder(folder, CPU)
    assert again.wte.weight.dtype is torch.float32
    assert torch.equal(again.wte.weight, ours.wte.weight.bfloat16().float())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"band": 4}, "banded"),
        ({"norm": "rmsnorm"}, "no Hugging Face family"),
        ({"tied_head": False}, "no Hugging Face family"),
        (
            {"position": "rotary", "norm": "rmsnorm", "mlp": "swiglu", "out_bias": False, "mlp_bias": False}
            | {"rope_factors": (1.0, 2.0, 2.0, 2.0)},
            "one by one",
        ),
    ],
)
def test_a_network_that_no_family_has_is_not_written(changes, message, tmp_path, tokenizer):
    model = GPT(GPTConfig(97, 16, 2, 4, 32, **changes))
    with pytest.raises(ValueError, match=message):
        export_folder(model, tokenizer, tmp_path / "ours")
    assert not (tmp_path / "ours").exists()


# Options of config.json: their values, and what is said of them. Each is given to a Llama unless it names a family.
LLAMA_OPTIONS = {
    "unknown family": ({"model_type": "mamba"}, "'mamba' is not one of"),
    "no family": ({"model_type": None}, "'model_type' is missing"),
    "family a list": ({"model_type": ["llama"]}, "is not one of"),
    "sliding window": ({"use_sliding_window": True}, "sliding windows"),
    "MLP biases": ({"mlp_bias": True}, "SwiGLU"),
    "attention biases": ({"attention_bias": True}, "attention_bias"),
    "another activation": ({"hidden_act": "gelu"}, "SwiGLU"),
    "yarn": ({"rope_parameters": {"rope_type": "yarn", "factor": 4.0}}, "'yarn' is not supported"),
    "older scaling": (
        {"rope_parameters": None, "rope_scaling": {"type": "dynamic", "factor": 2.0}},
        "'dynamic' is not supported",
    ),
    "scaling without factor": ({"rope_parameters": {"rope_type": "linear"}}, "'factor' is missing"),
    "scaling by zero": ({"rope_parameters": {"rope_type": "linear", "factor": 0}}, "positive"),
    "scaling a text": ({"rope_parameters": {"rope_type": "linear", "factor": "four"}}, "four"),
    "rope a list": ({"rope_parameters": [1]}, "config.json cannot be used"),
    "bands of no number": (
        {
            "rope_parameters": {
                "rope_type": "llama3",
                "factor": 8.0,
                "low_freq_factor": "low",
                "high_freq_factor": 1.0,
                "original_max_position_embeddings": 32,
            }
        },
        "config.json cannot be used",
    ),
    "no width": ({"hidden_size": None}, "'hidden_size' is missing"),
    "width a text": ({"hidden_size": "64"}, "hidden_size is '64', not a number"),
    "width a fraction": ({"hidden_size": 64.0}, "hidden_size is '64.0', not a number"),
    "width a truth": ({"num_hidden_layers": True}, "num_hidden_layers is 'True', not a number"),
    "no heads": ({"num_attention_heads": 0, "head_dim": None}, "config.json cannot be used"),
    "heads that do not divide": ({"num_key_value_heads": 3}, "not a multiple"),
    "negative layers": ({"num_hidden_layers": -1}, "n_layer is -1"),
    "layers without end": ({"num_hidden_layers": 10**9}, "n_layer 1000000000"),
    "context without end": ({"max_position_embeddings": 10**12}, "block_size 1000000000000"),
    "sizes without end": ({"hidden_size": 10**12, "intermediate_size": 10**12}, "no memory holds"),
    "numbers beyond any": ({"vocab_size": 10**400}, "cannot be used|no memory holds"),
    "theta beyond any": ({"rope_parameters": {"rope_theta": 10**400}}, "config.json cannot be used"),
    "epsilon a text": ({"rms_norm_eps": "small"}, "rms_norm_eps is 'small', not a number"),
    "another width": ({"hidden_size": 32}, "wrong shape"),
    "fewer layers": ({"num_hidden_layers": 2}, "no place for"),
    "more layers": ({"num_hidden_layers": 4}, "lacks"),
    "a larger vocabulary": ({"vocab_size": 98}, "wrong shape"),
}


@pytest.mark.parametrize("option", LLAMA_OPTIONS)
def test_a_configuration_that_is_broken_or_not_supported_is_refused_at_once(option, tmp_path, tokenizer):
    written_by_them("llama", tmp_path, tokenizer)
    changes, message = LLAMA_OPTIONS[option]
    change(tmp_path / "config.json", **changes)
    begun = time.perf_counter()
    with pytest.raises(MalformedFileError, match=message) as caught:
        load_folder(tmp_path, CPU)
    assert time.perf_counter() - begun < 2
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"activation_function": "relu"}, "'relu' is not GPT-2's"),
        ({"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx"),
        ({"scale_attn_weights": False}, "scale_attn_weights"),
        ({"tie_word_embeddings": False}, "tie_word_embeddings"),
        ({"n_head": 0}, "config.json cannot be used"),
        ({"n_embd": 60}, "attn"),
    ],
)
def test_a_gpt2_that_computes_something_else_is_refused(changes, message, tmp_path, tokenizer):
    written_by_them("gpt2", tmp_path, tokenizer)
    change(tmp_path / "config.json", **changes)
    with pytest.raises(MalformedFileError, match=message):
        load_folder(tmp_path, CPU)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"7", b"\xff\xfe", b"[" * 100_000], ids=range(6))
@pytest.mark.parametrize("file", ["config.json", "model.safetensors.index.json"])
def test_a_file_that_is_not_json_is_refused(file, content, tmp_path, tokenizer):
    written_by_them("llama", tmp_path, tokenizer)
    (tmp_path / file).write_bytes(content)
    with pytest.raises(MalformedFileError, match=r"cannot be (used|read)"):
        load_folder(tmp_path, CPU)


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_missing_file_is_named(file, tmp_path, tokenizer):
    written_by_them("llama", tmp_path, tokenizer)
    (tmp_path / file).unlink()
    with pytest.raises(MalformedFileError, match=file):
        load_folder(tmp_path, CPU)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(MalformedFileError, match="No such file"):
        load_folder(tmp_path / "nowhere", CPU)


@pytest.mark.parametrize(
    "name", ["../secret.safetensors", "/etc/passwd", "a/b.safetensors", "", ".", "..", "a\0b", 7]
)
def test_a_shard_lies_in_the_folder_itself(name, tmp_path, tokenizer):
    written_by_them("llama", tmp_path / "folder", tokenizer)
    (tmp_path / "folder" / "model.safetensors").rename(tmp_path / "secret.safetensors")
    index = {"weight_map": {"model.embed_tokens.weight": name}}
    (tmp_path / "folder" / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(MalformedFileError, match=r"cannot be (used|read)"):
        load_folder(tmp_path / "folder", CPU)


def test_a_missing_shard_is_refused(tmp_path, tokenizer):
    written_by_them("llama", tmp_path, tokenizer, max_shard_size="100KB")
    next(iter(tmp_path.glob("model-00002*"))).unlink()
    with pytest.raises(MalformedFileError, match="model-00002"):
        load_folder(tmp_path, CPU)


def header(value: object, data: bytes = b"") -> bytes:
    text = json.dumps(value).encode()
    return struct.pack("<Q", len(text)) + text + data


HOSTILE = {
    "empty": b"",
    "length only": struct.pack("<Q", 10),
    "endless header": struct.pack("<Q", 1 << 62) + b"{}",
    "not JSON": struct.pack("<Q", 4) + b"{{{{",
    "past the end": header({"t": {"dtype": "F32", "shape": [4], "data_offsets": [0, 1 << 40]}}),
    "backwards": header({"t": {"dtype": "F32", "shape": [1], "data_offsets": [8, 4]}}, bytes(8)),
    "overlapping": header(
        {k: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} for k in ("a", "b")}, bytes(4)
    ),
    "shape and size differ": header({"t": {"dtype": "F32", "shape": [9], "data_offsets": [0, 4]}}, bytes(4)),
    "unknown type": header({"t": {"dtype": "Z9", "shape": [1], "data_offsets": [0, 4]}}, bytes(4)),
    "a pickle": b"\x80\x04cos\nsystem\n(S'true'\ntR.",
    "no tensors": header({}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_weights_are_refused(name, tmp_path, tokenizer):
    written_by_them("llama", tmp_path, tokenizer)
    (tmp_path / "model.safetensors").write_bytes(HOSTILE[name])
    with pytest.raises(MalformedFileError, match=r"cannot be read|lacks|n_layer"):
        load_folder(tmp_path, CPU)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.999])
def test_truncated_weights_are_refused(share, tmp_path, tokenizer):
    written_by_them("llama", tmp_path, tokenizer)
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(MalformedFileError, match="cannot be read"):
        load_folder(tmp_path, CPU)


@pytest.mark.parametrize(
    ("name", "tensor", "value", "message"),
    [
        ("llama", "model.layers.0.mlp.up_proj.weight", None, "lacks blocks.0.mlp.up.weight"),
        ("llama", "model.layers.0.mlp.up_proj.weight", (64, 96), "wrong shape: blocks.0.mlp.up.weight"),
        ("llama", "model.layers.0.mlp.up_proj.weight", (), "wrong shape: blocks.0.mlp.up.weight"),
        ("llama", "model.layers.0.mlp.up_proj.bias", (96,), "no place for: blocks.0.mlp.up.bias"),
        ("llama", "model.layers.9.mlp.up_proj.weight", (96, 64), "no place for"),
        ("llama", "surprise", (1,), "no place for"),
        ("gpt2", "transformer.h.0.attn.c_attn.weight", (64, 100), "attn"),
        ("gpt2", "transformer.h.0.attn.c_attn.weight", (64, 400), "attn"),
        ("gpt2", "transformer.h.0.attn.c_attn.weight", (), "attn"),
        ("gpt2", "transformer.h.0.attn.c_attn.bias", (1,), "attn"),
    ],
)
def test_missing_surplus_and_misshapen_tensors_are_named(name, tensor, value, message, tmp_path, tokenizer):
    written_by_them(name, tmp_path, tokenizer)
    tensors = load_file(tmp_path / "model.safetensors")
    tensors.pop(tensor, None)
    if value is not None:
        tensors[tensor] = torch.ones(value)
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(MalformedFileError, match=message):
        load_folder(tmp_path, CPU)


def test_a_vocabulary_larger_than_the_table_is_refused(tmp_path, tokenizer):
    written_by_them("llama", tmp_path, tokenizer)
    engine = json.loads(tokenizer.engine.to_str())
    engine["model"]["vocab"]["LuLu"] = 97
    (tmp_path / "tokenizer.json").write_text(json.dumps(engine), encoding="utf-8")
    with pytest.raises(MalformedFileError, match="a token 97, its table 97 rows"):
        load_folder(tmp_path, CPU)


# What the default model finds likeliest, 64 tokens; the second likeliest is nowhere nearer than 0.011.
SUNSET = (
    "The sunset is a beautiful sight, but it's not just about the end of the world. It's a moment of reflection, "
    "a moment of connection, and a moment of awe. It's a moment when the universe is seen in its entirety, and "
    "it's a reminder of the beauty and complexity of life.\n"
)


@torch.inference_mode()
def test_the_default_model_written_out_says_the_same_as_before(model_path, tmp_path):
    ours, tokenizer = load_gguf(model_path, CPU, dense=True)
    folder = export_folder(ours, tokenizer, tmp_path)
    theirs, their_tokenizer = read_by_them(folder), transformers.AutoTokenizer.from_pretrained(folder)
    chat = tokenizer.chat([{"role": "user", "content": "What is the sunset? 落霞"}])
    answer = tokenizer.encode(SUNSET)
    assert len(answer) == 64
    # No token sees a later one, so the likeliest after each of these are what greedy decoding says.
    expected, found = (m(torch.tensor([chat + answer])) for m in (theirs, ours))
    assert distance(found, expected.logits) < 1e-5
    for logits in (expected.logits, found):
        assert logits[0].argmax(-1).tolist()[len(chat) - 1 : -1] == answer
    for text in ("It's 42°, isn't it?  落霞 👩‍👩‍👧\r\n\t<|im_end|>", SUNSET):
        assert their_tokenizer.encode(text, add_special_tokens=False) == tokenizer.encode(text)
    assert their_tokenizer.eos_token == tokenizer.eos
    messages = [{"role": "user", "content": "Hello"}]
    rendered = their_tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    assert their_tokenizer.encode(rendered, add_special_tokens=False) == tokenizer.chat(messages)
