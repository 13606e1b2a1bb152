"""A run's numbers and samples for TensorBoard, where it is installed: ``tensorboard --logdir runs``."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL.Image import Image


class Board:
    """Writes nothing: what there is without TensorBoard."""

    def scalars(self, row: Mapping[str, Any]) -> None: ...

    def picture(self, sheet: Image, step: int) -> None: ...

    def close(self) -> None: ...


class TensorBoard(Board):
    """Event files in ``folder``; points from ``step`` on that an earlier process wrote are not shown."""

    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder), purge_step=step + 1 if step else None, flush_secs=10)

    def scalars(self, row: Mapping[str, Any]) -> None:
        for name, value in row.items():
            if name != "step":
                self._writer.add_scalar(name, value, row["step"])

    def picture(self, sheet: Image, step: int) -> None:
        self._writer.add_image("samples", np.asarray(sheet), step, dataformats="HWC")
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


def open_board(folder: Path, step: int) -> Board:
    """The board of a run that stands at ``step``."""
    return TensorBoard(folder, step) if importlib.util.find_spec("tensorboard") else Board()
