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
from luoxia.weights.own_texts import WHOLE


def keep(folder: Path, network: GPT, tokenizer: Tokenizer, facts: Mapping[str, Any]) -> Path:
    """Write ``network`` to ``folder`` in bf16, to be loaded by its name."""
    export_folder(network, tokenizer, folder, dtype=torch.bfloat16)
    with write_atomically(folder / catalogue.FACTS) as file:
        file.write(json.dumps({**facts, "family": WHOLE}, ensure_ascii=False, indent=1).encode())
    return folder
