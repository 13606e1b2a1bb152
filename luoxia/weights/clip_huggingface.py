"""Hugging Face folders of CLIP, OpenAI's among them, read into our network; :mod:`luoxia.weights.clip_export` writes them.

The files are ``config.json``, ``model.safetensors`` and the tokenizer's; nothing in them is executed.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor

from luoxia.core.errors import MalformedFileError
from luoxia.models.clip import CLIP, CLIPConfig, Colour
from luoxia.models.clip_tokenizer import CLIPTokenizer
from luoxia.weights import clip_vocabulary
from luoxia.weights.state_dict import fill, read_state_dict

# Theirs to ours, outside of the layers and within one.
_OUTER = {
    "vision_model.embeddings.class_embedding": "image.cls",
    "vision_model.embeddings.patch_embedding.weight": "image.patch.weight",
    "vision_model.embeddings.position_embedding.weight": "image.wpe",
    "vision_model.pre_layrnorm.weight": "image.norm_in.weight",
    "vision_model.pre_layrnorm.bias": "image.norm_in.bias",
    "vision_model.post_layernorm.weight": "image.norm.weight",
    "vision_model.post_layernorm.bias": "image.norm.bias",
    "text_model.embeddings.token_embedding.weight": "text.wte.weight",
    "text_model.embeddings.position_embedding.weight": "text.wpe",
    "text_model.final_layer_norm.weight": "text.norm.weight",
    "text_model.final_layer_norm.bias": "text.norm.bias",
    "visual_projection.weight": "image_out.weight",
    "text_projection.weight": "text_out.weight",
    "logit_scale": "logit_scale",
}
_LAYER = {
    "layer_norm1": "attn_norm",
    "self_attn.out_proj": "out",
    "layer_norm2": "mlp_norm",
    "mlp.fc1": "up",
    "mlp.fc2": "down",
}
_PARTS = ("q", "k", "v")
_NAME = re.compile(r"(vision|text)_model\.encoder\.layers\.(\d{1,4})\.(.+)\.(weight|bias)")
_TOWERS = {"vision": "image", "text": "text"}
_ACTIVATIONS = {"gelu": "gelu", "quick_gelu": "quick_gelu"}
OPENAI_MEAN = (0.48145466, 0.4578275, 0.40821073)
OPENAI_STD = (0.26862954, 0.26130258, 0.27577711)
LARGEST = 4 << 30  # bytes; OpenAI's largest CLIP takes 1.7 GB
OLD_END = 2  # in configurations from before the end token was noted: then it is the last of the vocabulary


def _refuse(path: Path, en: str, zh: str) -> NoReturn:
    raise MalformedFileError(f"{path} cannot be used: {en}", f"{path} 无法使用：{zh}")


def load_folder(folder: Path) -> tuple[CLIP, CLIPTokenizer]:
    """The CLIP in ``folder`` in float32 on the CPU, and what reads texts for it."""
    config, tokenizer = read_described(folder)
    path = folder / "model.safetensors"
    tensors = from_huggingface(read_state_dict(path, LARGEST))
    with torch.device("meta"):
        network = CLIP(config)
    return fill(network, tensors, path), tokenizer


def read_described(folder: Path) -> tuple[CLIPConfig, CLIPTokenizer]:
    """What the network is and what reads texts for it, which must fit together."""
    config, tokenizer = read_config(folder), clip_vocabulary.read(folder)
    if max(tokenizer.engine.get_vocab(with_added_tokens=True).values(), default=0) >= config.vocab_size:
        _refuse(folder, "its tokenizer has more tokens than its table", "分词器的词多于嵌入表")
    if tokenizer.end != config.end:
        _refuse(
            folder,
            f"its tokenizer ends texts with {tokenizer.end}, its network looks for {config.end}",
            f"分词器的结束标记为 {tokenizer.end}，而网络寻找 {config.end}",
        )
    return config, tokenizer


def read_config(folder: Path) -> CLIPConfig:
    """Our configuration. ``preprocessor_config.json`` tells how colours are normalised; without it OpenAI's way."""
    path = folder / "config.json"
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["model_type"] != "clip":
            raise ValueError(f"model type {str(raw['model_type'])[:40]!r} is not clip")
        text, vision = raw.get("text_config") or {}, raw.get("vision_config") or {}
        seen = folder / "preprocessor_config.json"
        colours = json.loads(seen.read_text(encoding="utf-8")) if seen.is_file() else {}
        vocab = _number(text, "vocab_size", 49_408)
        end = _number(text, "eos_token_id", 49_407)
        if vision.get("num_channels", 3) != 3:
            raise ValueError("its pictures do not have three colours")
        return CLIPConfig(
            vocab_size=vocab,
            block_size=_number(text, "max_position_embeddings", 77),
            end=vocab - 1 if end == OLD_END else end,
            size=_number(vision, "image_size", 224),
            patch=_number(vision, "patch_size", 32),
            n_embd=_number(vision, "hidden_size", 768),
            n_layer=_number(vision, "num_hidden_layers", 12),
            n_head=_number(vision, "num_attention_heads", 12),
            n_ff=_number(vision, "intermediate_size", 3072),
            text_n_embd=_number(text, "hidden_size", 512),
            text_n_layer=_number(text, "num_hidden_layers", 12),
            text_n_head=_number(text, "num_attention_heads", 8),
            text_n_ff=_number(text, "intermediate_size", 2048),
            n_out=_number(raw, "projection_dim", 512),
            activation=_activation(vision),
            text_activation=_activation(text),
            norm_eps=float(vision.get("layer_norm_eps", 1e-5)),
            text_norm_eps=float(text.get("layer_norm_eps", 1e-5)),
            mean=_colour(colours.get("image_mean", OPENAI_MEAN)),
            std=_colour(colours.get("image_std", OPENAI_STD)),
        )
    except OSError as error:
        _refuse(path, f"it cannot be read: {error.strerror}", f"无法读取：{error.strerror}")
    except KeyError as error:
        _refuse(path, f"{error} is missing", f"缺少 {error}")
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        _refuse(path, str(error)[:200], str(error)[:200])


def _number(raw: dict[str, Any], key: str, usual: int) -> int:
    value = raw.get(key, usual)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{key} is {str(value)[:40]!r}, not a number")  # noqa: TRY004
    return value


def _colour(values: Any) -> Colour:
    red, green, blue = map(float, values)
    return red, green, blue


def _activation(raw: dict[str, Any]) -> Any:
    name = raw.get("hidden_act", "quick_gelu")
    if name not in _ACTIVATIONS:
        raise ValueError(f"activation {str(name)[:40]!r} is not CLIP's")
    return _ACTIVATIONS[name]


def from_huggingface(theirs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors under our names; q, k and v become one matrix. A name that is not known stays, and is refused later."""
    ours: dict[str, Tensor] = {}
    joint: dict[str, dict[str, Tensor]] = {}
    for name, tensor in theirs.items():
        if name.endswith("position_ids"):
            continue  # a buffer of older files
        found = _NAME.fullmatch(name)
        if found is None:
            ours[_OUTER.get(name, name)] = tensor.reshape(1) if name == "logit_scale" else tensor
            continue
        tower, layer, stem, leaf = found.groups()
        place = f"{_TOWERS[tower]}.blocks.{int(layer)}"
        part = stem.removeprefix("self_attn.").removesuffix("_proj")
        if stem.startswith("self_attn.") and part in _PARTS:
            joint.setdefault(f"{place}.qkv.{leaf}", {})[part] = tensor
        else:
            ours[f"{place}.{_LAYER.get(stem, stem)}.{leaf}"] = tensor
    for name, parts in joint.items():
        if parts.keys() == set(_PARTS) and len({part.shape for part in parts.values()}) == 1:
            ours[name] = torch.cat([parts[part] for part in _PARTS])
    return ours


def to_huggingface(model: CLIP) -> dict[str, Tensor]:
    """Tensors under Hugging Face's names, in float32."""
    outer = {ours: theirs for theirs, ours in _OUTER.items()}
    layer = {ours: theirs for theirs, ours in _LAYER.items()}
    towers = {ours: theirs for theirs, ours in _TOWERS.items()}
    theirs: dict[str, Tensor] = {}
    for name, tensor in model.state_dict().items():
        tensor = tensor.detach().cpu().float().contiguous()
        found = re.fullmatch(r"(image|text)\.blocks\.(\d+)\.(.+)\.(weight|bias)", name)
        if found is None:
            theirs[outer[name]] = tensor.reshape(()) if name == "logit_scale" else tensor
            continue
        tower, number, stem, leaf = found.groups()
        place = f"{towers[tower]}_model.encoder.layers.{number}"
        if stem == "qkv":
            for part, rows in zip(_PARTS, tensor.chunk(3), strict=True):
                theirs[f"{place}.self_attn.{part}_proj.{leaf}"] = rows.contiguous()
        else:
            theirs[f"{place}.{layer[stem]}.{leaf}"] = tensor
    return theirs
