"""A DALL·E of ours for other programs: as a GPT-2 that ``transformers`` opens, or as ONNX.

It is a GPT-2 under other names. Its vocabulary is made of three in a row: the V tokens of captions, T padding tokens,
one for each place of a caption, and the K codes of the dVAE; its positions are the T places of a caption, then the
side^2 places of the square, row after row. After the caption's last place the next token is looked for among the codes
alone. What stands where is told in ``drawing.json``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from luoxia.core.errors import UserError
from luoxia.core.folder import write_atomically
from luoxia.models.captions import BEGIN, END, PAD, SPECIALS, CaptionTokenizer
from luoxia.models.dalle import Dalle
from luoxia.weights.onnx_graph import graph

FACTS = "drawing.json"


def export_folder(model: Dalle, tokenizer: CaptionTokenizer, folder: Path) -> Path:
    """Write ``model`` so that ``transformers`` opens it with ``GPT2LMHeadModel``. Raises :class:`UserError` for sparse
    attention, which GPT-2 has not."""
    if set(model.config.sparse) - {"dense"}:
        raise UserError(
            "a DALL·E with sparse attention has no form that transformers reads; write it as ONNX",
            "使用稀疏注意力的 DALL·E 没有 transformers 可读的格式；请导出为 ONNX",
        )
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": SPECIALS[PAD],
        "bos_token": SPECIALS[BEGIN],
        "eos_token": SPECIALS[END],
        "model_max_length": model.config.text_length,
    }
    files = {
        "model.safetensors": save(to_huggingface(model), metadata={"format": "pt"}),
        "config.json": _json(_raw_config(model)),
        "tokenizer.json": _json(tokenizer.to_json()),
        "tokenizer_config.json": _json(settings),
        FACTS: _json(_facts(model)),
    }
    return _written(files, folder)


def export_onnx(model: Dalle, tokenizer: CaptionTokenizer, folder: Path) -> Path:
    """Write ``dalle.onnx``: ids (N, T) and codes (N, n) int64 to logits (N, n, K) of every code, each from what stands
    before it: a code's logits do not change with what is put in its place and behind it."""
    c = model.config
    ids = torch.zeros(2, c.text_length, dtype=torch.long)
    ids[:, 0] = BEGIN
    codes = torch.zeros(2, c.places, dtype=torch.long)
    files = {
        "dalle.onnx": graph(_Codes(model), {"ids": ids, "codes": codes}, "logits"),
        "tokenizer.json": _json(tokenizer.to_json()),
        FACTS: _json(_facts(model)),
    }
    return _written(files, folder)


class _Codes(nn.Module):
    def __init__(self, model: Dalle) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, codes: Tensor) -> Tensor:
        model = self.model
        x = torch.cat([model.embed_text(ids), model.embed_codes(codes[:, :-1], 0)], 1)
        return model.head(model.run(x)[:, model.config.text_length - 1 :])


def to_huggingface(model: Dalle) -> dict[str, Tensor]:
    """Tensors under GPT-2's names in float32: matrices turned, q, k and v joined, zeros for biases that ours has not."""
    ours = {name: p.detach().float() for name, p in model.named_parameters()}
    c = model.config.n_embd
    square = (ours["rows"][:, None] + ours["columns"][None]).flatten(0, 1)
    theirs = {
        "transformer.wte.weight": torch.cat([ours["words"], ours["padding"], ours["codes"]]),
        "transformer.wpe.weight": torch.cat([ours["order"], square]),
        "transformer.ln_f.weight": ours["norm.weight"],
        "transformer.ln_f.bias": ours["norm.bias"],
        "lm_head.weight": torch.cat([ours["words"], torch.zeros_like(ours["padding"]), ours["head.weight"]]),
    }
    for i in range(model.config.n_layer):
        at, to = f"blocks.{i}.", f"transformer.h.{i}."
        joined = torch.cat([ours[f"{at}attn.{part}.weight"] for part in "qkv"])
        matrices = {
            "attn.c_attn": joined,
            "attn.c_proj": ours[f"{at}attn.o.weight"],
            "mlp.c_fc": ours[f"{at}mlp.up.weight"],
            "mlp.c_proj": ours[f"{at}mlp.down.weight"],
        }
        for name, matrix in matrices.items():
            theirs[f"{to}{name}.weight"] = matrix.T
            theirs[f"{to}{name}.bias"] = torch.zeros(len(matrix))
        for theirs_norm, norm in (("ln_1", "attn_norm"), ("ln_2", "mlp_norm")):
            for leaf in ("weight", "bias"):
                theirs[f"{to}{theirs_norm}.{leaf}"] = ours[f"{at}{norm}.{leaf}"]
    assert theirs["transformer.wpe.weight"].shape[1] == c
    return {name: tensor.contiguous() for name, tensor in theirs.items()}


def _raw_config(model: Dalle) -> dict[str, Any]:
    c, b = model.config, model.config.block
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": c.vocab_size + c.text_length + c.codes,
        "n_positions": b.block_size,
        "n_layer": b.n_layer,
        "n_head": b.n_head,
        "n_embd": b.n_embd,
        "n_inner": b.ff,
        "layer_norm_epsilon": b.norm_eps,
        "activation_function": "gelu",
        "initializer_range": b.init_std,
        "attn_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "resid_pdrop": 0.0,
        "bos_token_id": BEGIN,
        "eos_token_id": None,
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
    }


def _facts(model: Dalle) -> dict[str, int]:
    c = model.config
    return {
        "text_length": c.text_length,
        "first_padding": c.vocab_size,
        "first_code": c.vocab_size + c.text_length,
        "codes": c.codes,
        "side": c.side,
        "begin": BEGIN,
        "end": END,
    }


def _written(files: dict[str, bytes], folder: Path) -> Path:
    for name, data in files.items():
        with write_atomically(folder / name) as file:
            file.write(data)
    return folder


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False).encode()
