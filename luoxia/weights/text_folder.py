"""Text models of the user's own that are whole: a Hugging Face folder under a name, and what is known of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from luoxia.core.folder import write_atomically
from luoxia.models.gpt import GPT
from luoxia.models.tokenizer import Tokenizer
from luoxia.weights import catalogue
from luoxia.weights.huggingface import export_folder

FAMILY = "text"


def keep(folder: Path, network: GPT, tokenizer: Tokenizer, facts: Mapping[str, Any]) -> Path:
    """Write ``network`` to ``folder`` in bf16, to be loaded by its name."""
    export_folder(network, tokenizer, folder, dtype=torch.bfloat16)
    with write_atomically(folder / catalogue.FACTS) as file:
        file.write(json.dumps({**facts, "family": FAMILY}, ensure_ascii=False, indent=1).encode())
    return folder


def own() -> list[str]:
    """Their names."""
    return catalogue.own((FAMILY,))


def place(name: str) -> Path | None:
    """The folder of the one with that name."""
    return catalogue.place(name) if name in own() else None
