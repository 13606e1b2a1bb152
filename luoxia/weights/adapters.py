"""The weights of adapters on disk: A (r, in) and B (out, r) of every layer, in 8 bits with one scale for each of the r
vectors. Of rank 16 beside every matrix of SmolLM2-135M that is 5 MB, where bf16 would take 10.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor

from luoxia.core.folder import write_atomically
from luoxia.nn.lora import Adapter, LowRank
from luoxia.weights.adapter_folder import FACTS, FORMAT, AdapterFolder, Stack, read, refuse
from luoxia.weights.eight_bits import pack, unpack
from luoxia.weights.state_dict import read_state_dict

WEIGHTS = "adapter.safetensors"
LARGEST = 1 << 28  # bytes of an adapter's weights


def load(told: AdapterFolder) -> Adapter:
    """An adapter's weights. Raises :class:`MalformedFileError`."""
    path = told.folder / WEIGHTS
    tensors = read_state_dict(path, LARGEST)
    maps = {}
    try:
        for key in sorted(k.removesuffix(".a") for k in tensors if k.endswith(".a")):
            a, b = (unpack(tensors[f"{key}.{side}"], tensors[f"{key}.{side}.scale"], over=0) for side in "ab")
            maps[key] = LowRank(a.T.contiguous(), b, told.scale)
        if len(tensors) != 4 * len(maps) or not maps:
            raise ValueError("it has tensors of something else")
    except (KeyError, ValueError, RuntimeError, TypeError) as error:
        refuse(path, f"{error}", f"{error}")
    return Adapter(maps)


def load_stack(stack: Stack) -> Adapter:
    """All parts of ``stack`` as one."""
    if len(stack.parts) == 1 and stack.parts[0][1] == 1.0:
        return load(stack.parts[0][0])
    return Adapter.stacked([(load(part), weight) for part, weight in stack.parts])


def keep(folder: Path, adapter: Adapter, facts: Mapping[str, Any]) -> AdapterFolder:
    """Write ``adapter`` to ``folder`` with what is known of it, over an earlier state of the same.

    ``facts`` holds base, tokenizer, layers and data; rank, scale and format are written besides."""
    tensors: dict[str, Tensor] = {}
    scales, ranks = set(), set()
    for place, low in adapter.items():
        scales.add(low.scale)
        ranks.add(low.rank)
        for side, matrix in (("a", low.a.detach().T), ("b", low.b.detach())):
            tensors[f"{place}.{side}"], tensors[f"{place}.{side}.scale"] = pack(matrix, over=0)
    assert len(scales) == len(ranks) == 1, "an adapter that is kept was trained as one"
    said = {"format": FORMAT, "rank": ranks.pop(), "scale": scales.pop(), **facts}
    with write_atomically(folder / WEIGHTS) as file:
        file.write(save(tensors))
    with write_atomically(folder / FACTS) as file:
        file.write(json.dumps(said, ensure_ascii=False, indent=1).encode())
    return read(folder)
