"""Luoxia (落霞): AI-generated content, made on this machine.

>>> import luoxia
>>> gpt = luoxia.load("smollm2-135m-instruct")
>>> for piece in gpt.stream("Once upon a time", max_new_tokens=64, seed=1):
...     print(piece, end="", flush=True)
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from luoxia.core.collector import objects_come_to_stay

if TYPE_CHECKING:
    from luoxia.generate.load import load as load
    from luoxia.generate.text import TextModel as TextModel

# Threads of PyTorch that wait for each other turn round for 0.3 ms before they sleep. Where another program has one of
# the cores, they only take the other's time: two threads then take ten times as long, and with less patience three.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")

__version__ = "0.1.0"
__all__ = ["TextModel", "__version__", "load"]


def __getattr__(name: str) -> object:
    # PyTorch takes a second to import; whoever only asks for the version or for help does not wait for it.
    if name == "load":
        with objects_come_to_stay():
            from luoxia.generate.load import load
        return load
    if name == "TextModel":
        from luoxia.generate.text import TextModel

        return TextModel
    raise AttributeError(f"module 'luoxia' has no attribute {name!r}")
