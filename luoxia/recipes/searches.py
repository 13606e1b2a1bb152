"""Whether a StyleGAN can make pictures that it has never seen: held-out ones looked for in its space."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from luoxia.core.images import enlargement
from luoxia.core.runtime import Runtime
from luoxia.evaluate.pictures import side_by_side
from luoxia.generate.inversion import stages
from luoxia.generate.portraits import Portraits
from luoxia.train.engine import Note, Study

STAGES = ("w", "w_plus", "tuned")


class Searches:
    """For ``count`` pictures that ``seed`` chooses, in the model ``source``.

    Raises :class:`UserError` at once where that is no StyleGAN."""

    def __init__(self, source: str, runtime: Runtime, count: int, seed: int) -> None:
        self.portraits = Portraits.open(source, runtime)
        self.count, self.seed = count, seed

    def study(self, held_out: NDArray[np.uint8], note: Note) -> Study:
        """A sheet of originals above what was found in W, in W+ and by a tuned generator; distances, and their means."""
        order = np.random.Generator(np.random.PCG64(self.seed)).permutation(len(held_out))
        originals = held_out[np.sort(order[: self.count])]
        found, rows = [], list[dict[str, Any]]()
        for i, picture in enumerate(originals):
            note("inversions", i, len(originals))
            outcomes = stages(self.portraits, np.array(picture), seed=self.seed)
            found.append([outcome.picture for outcome in outcomes])
            row: dict[str, Any] = {"picture": i + 1}
            for stage, outcome in zip(STAGES, outcomes, strict=True):
                row |= {f"{stage}_psnr": outcome.psnr, f"{stage}_distance": outcome.distance}
            rows.append(row)
        note("inversions", len(originals), len(originals))
        means = {k: float(np.mean([row[k] for row in rows])) for k in rows[0] if k != "picture"}
        made = [np.stack(of_stage) for of_stage in zip(*found, strict=True)]
        sheet = side_by_side(originals, *made, enlarge=2 * enlargement(held_out.shape[-1]))
        scores = {f"inversion_{k}": v for k, v in means.items()}
        return Study(scores, {"inversions": sheet}, {"inversions": [*rows, {"picture": "mean"} | means]})
