"""A CLIP of ours as a Hugging Face folder, which ``transformers`` opens with equal outputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors.torch import save

from luoxia.core.errors import UserError
from luoxia.core.folder import write_atomically
from luoxia.models.captions import BEGIN
from luoxia.models.clip import CLIP, CLIPConfig
from luoxia.models.clip_tokenizer import CLIPTokenizer, ReadsTexts
from luoxia.weights.clip_huggingface import OLD_END, to_huggingface


def export_folder(model: CLIP, tokenizer: ReadsTexts, folder: Path) -> Path:
    """Write ``model`` so that ``transformers`` opens it with ``CLIPModel`` and the tokenizer with ``AutoTokenizer``.

    ``transformers`` takes an end token of id 2 for a mistake of old configurations: ours changes places with the last
    of the vocabulary. Raises :class:`UserError` for a convolutional image tower, which has no family there.
    """
    config = model.config
    if config.network != "vit":
        raise UserError(
            "a CLIP with a convolutional image tower has no form that transformers reads; write it as ONNX",
            "卷积图像塔的 CLIP 没有 transformers 可读的格式；请导出为 ONNX",
        )
    tensors, engine = to_huggingface(model), tokenizer.to_json()
    begin = tokenizer.begin if isinstance(tokenizer, CLIPTokenizer) else BEGIN
    end, last = config.end, config.vocab_size - 1
    if end == OLD_END:
        table = tensors["text_model.embeddings.token_embedding.weight"].clone()
        table[[end, last]] = table[[last, end]]
        tensors["text_model.embeddings.token_embedding.weight"] = table
        engine = _exchanged(engine, end, last)
        end = last
    names = {i: token for token, i in engine["model"]["vocab"].items()}
    names |= {token["id"]: token["content"] for token in engine.get("added_tokens", ())}
    engine["post_processor"] = _template(names[begin], begin, names[end], end)
    files = {
        "model.safetensors": save(tensors, metadata={"format": "pt"}),
        "config.json": _json(_raw_config(config, begin, end)),
        "preprocessor_config.json": _json(_preprocessor(config)),
        "tokenizer.json": _json(engine),
        "tokenizer_config.json": _json(
            {
                "tokenizer_class": "PreTrainedTokenizerFast",
                "bos_token": names[begin],
                "eos_token": names[end],
                "pad_token": names[end],
                "model_max_length": config.block_size,
            }
        ),
    }
    for name, data in files.items():
        with write_atomically(folder / name) as file:
            file.write(data)
    return folder


def _exchanged(engine: dict[str, Any], one: int, other: int) -> dict[str, Any]:
    """The tokenizer with the ids of two tokens exchanged; those of the vocabulary and those that were added."""

    def new(i: int) -> int:
        return {one: other, other: one}.get(i, i)

    vocabulary = {token: new(i) for token, i in engine["model"]["vocab"].items()}
    added = [token | {"id": new(token["id"])} for token in engine["added_tokens"]]
    return engine | {
        "model": engine["model"] | {"vocab": dict(sorted(vocabulary.items(), key=lambda item: item[1]))},
        "added_tokens": sorted(added, key=lambda token: token["id"]),
    }


def _template(begin: str, begin_id: int, end: str, end_id: int) -> dict[str, Any]:
    def special(name: str) -> dict[str, Any]:
        return {"SpecialToken": {"id": name, "type_id": 0}}

    return {
        "type": "TemplateProcessing",
        "single": [special(begin), {"Sequence": {"id": "A", "type_id": 0}}, special(end)],
        "pair": [
            special(begin),
            {"Sequence": {"id": "A", "type_id": 0}},
            {"Sequence": {"id": "B", "type_id": 0}},
            special(end),
        ],
        "special_tokens": {
            name: {"id": name, "ids": [i], "tokens": [name]} for name, i in ((begin, begin_id), (end, end_id))
        },
    }


def _raw_config(c: CLIPConfig, begin: int, end: int) -> dict[str, Any]:
    return {
        "architectures": ["CLIPModel"],
        "model_type": "clip",
        "projection_dim": c.n_out,
        "torch_dtype": "float32",
        "text_config": {
            "model_type": "clip_text_model",
            "vocab_size": c.vocab_size,
            "max_position_embeddings": c.block_size,
            "hidden_size": c.text_n_embd,
            "num_hidden_layers": c.text_n_layer,
            "num_attention_heads": c.text_n_head,
            "intermediate_size": c.text_n_ff or 4 * c.text_n_embd,
            "projection_dim": c.n_out,
            "hidden_act": c.text_activation or c.activation,
            "layer_norm_eps": c.text_norm_eps,
            "bos_token_id": begin,
            "eos_token_id": end,
            "pad_token_id": end,
        },
        "vision_config": {
            "model_type": "clip_vision_model",
            "image_size": c.size,
            "patch_size": c.patch,
            "hidden_size": c.n_embd,
            "num_hidden_layers": c.n_layer,
            "num_attention_heads": c.n_head,
            "intermediate_size": c.n_ff or 4 * c.n_embd,
            "projection_dim": c.n_out,
            "hidden_act": c.activation,
            "layer_norm_eps": c.norm_eps,
        },
    }


def _preprocessor(c: CLIPConfig) -> dict[str, Any]:
    return {
        "image_processor_type": "CLIPImageProcessor",
        "do_resize": True,
        "size": {"shortest_edge": c.size},
        "resample": 3,
        "do_center_crop": True,
        "crop_size": {"height": c.size, "width": c.size},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "do_convert_rgb": True,
        "image_mean": list(c.mean),
        "image_std": list(c.std),
    }


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False).encode()
