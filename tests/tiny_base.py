"""A tiny text model on disk with a chat template, and examples to teach it by."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from tiny_text import byte_tokenizer

from luoxia.models.gpt import GPT, GPTConfig
from luoxia.models.tokenizer import Tokenizer
from luoxia.weights.huggingface import export_folder

TEMPLATE = (
    "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}|{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)
LLAMA = {"norm": "rmsnorm", "position": "rotary", "mlp": "swiglu"} | dict.fromkeys(
    ("qkv_bias", "out_bias", "mlp_bias"), False
)


def chat_tokenizer() -> Tokenizer:
    engine = byte_tokenizer().engine
    return Tokenizer(engine, eos="|", stop_ids=frozenset({engine.token_to_id("|")}), template=TEMPLATE)


def network(seed: int = 0, context: int = 96) -> GPT:
    config = GPTConfig(256, context, 2, 4, 64, n_kv_head=2, n_ff=96, **LLAMA)
    gpt = GPT(config, torch.Generator().manual_seed(seed)).requires_grad_(False)
    gpt.wte.weight.mul_(6)  # a head so small as it begins leaves every answer in doubt
    return gpt


def base(folder: Path, seed: int = 0) -> Path:
    return export_folder(network(seed), chat_tokenizer(), folder)


def examples(path: Path, n: int = 40) -> Path:
    """Every question is answered with "yes."."""
    rows = [{"question": f"is {i} a number?", "answer": "yes."} for i in range(n)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
