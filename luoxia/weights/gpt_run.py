"""A run that trained a GPT, as a model: its folder holds the weights, the network's shape and the tokenizer.

recipe.json                            facts: family "gpt", network
model.safetensors                      under "gpt."
tokenizer.json  tokenizer_config.json
"""

from __future__ import annotations

import json
from pathlib import Path

from luoxia.core.errors import MalformedFileError, UserError
from luoxia.core.runtime import Runtime
from luoxia.models.gpt import GPT, GPTConfig
from luoxia.models.tokenizer import Tokenizer
from luoxia.weights.assemble import assemble
from luoxia.weights.state_dict import read_state_dict
from luoxia.weights.vocabulary import tokenizer_from_folder

FAMILY, RECIPE, WEIGHTS, PREFIX = "gpt", "recipe.json", "model.safetensors", "gpt."

LARGEST = 1 << 36  # bytes of weights


def is_one(folder: str | Path) -> bool:
    """Whether a run lies there that trained a GPT."""
    try:
        recipe = json.loads((Path(folder) / RECIPE).read_text(encoding="utf-8"))
        return recipe["facts"]["family"] == FAMILY
    except (OSError, ValueError, KeyError, TypeError):
        return False


def load_run(folder: str | Path, runtime: Runtime) -> tuple[GPT, Tokenizer]:
    """The decoder of the run in ``folder`` (its averaged weights) and its tokenizer.

    Raises :class:`UserError` before the first checkpoint, :class:`MalformedFileError` for what is not whole.
    """
    folder = Path(folder)
    config = config_of(folder)
    if not (folder / WEIGHTS).is_file():
        raise UserError(
            f"{folder} has no weights yet: its first checkpoint is still to come",
            f"{folder} 还没有权重：尚未到第一个检查点",
        )
    tensors = read_state_dict(folder / WEIGHTS, LARGEST, PREFIX)
    model = assemble(config, dict(tensors), runtime, source=str(folder))
    return model, tokenizer_from_folder(folder)


def config_of(folder: Path) -> GPTConfig:
    """The network's shape, as the run's recipe states it. Raises :class:`MalformedFileError`."""
    try:
        recipe = json.loads((folder / RECIPE).read_text(encoding="utf-8"))
        return GPTConfig(**recipe["facts"]["network"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MalformedFileError(
            f"{folder}/{RECIPE} does not describe a GPT: {error}", f"{folder}/{RECIPE} 未描述 GPT：{error}"
        ) from error
