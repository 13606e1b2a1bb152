"""How well a model draws what it is told, in the eyes of a judge that had no part in drawing.

R-precision (Xu et al. 2018, AttnGAN, section 4): the share of pictures that are nearer to their own caption than to 20
others, in the space of a second CLIP. By lot it is 1 in 21; what real held-out pictures reach is the judge's own limit.
Captions are of two groups: some of training, and combinations that training never composed.

luoxia evaluate icons-64 --judge RUN -o icons-64-report
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from luoxia.core import language
from luoxia.core.errors import UserError
from luoxia.core.folder import write_atomically
from luoxia.core.images import grid
from luoxia.core.language import Text
from luoxia.core.page import figure, grid_table, page
from luoxia.core.runtime import Runtime
from luoxia.data import images as image_sets
from luoxia.data.icon_combinations import NEW_COMBINATIONS
from luoxia.data.images import ImageSet
from luoxia.evaluate.alignment import DISTRACTORS, clip_score, r_precision
from luoxia.evaluate.memorisation import above_nearest
from luoxia.evaluate.neighbours import nearest
from luoxia.generate.drawing import Drawing
from luoxia.generate.drawing_order import Knobs
from luoxia.generate.sight import Sight
from luoxia.recipes.evaluation_page import shown
from luoxia.recipes.names import name
from luoxia.train.engine import Note
from luoxia.weights import clip_folder

KNOWN, CANDIDATES = 200, 8  # captions of training, and pictures drawn for each, of which CLIP keeps one
COPIES = 32  # drawn pictures shown above the training pictures that are nearest to them
LOOKED_AT = 4_000  # training pictures among which these are looked for, besides those of the same captions


@dataclass(frozen=True)
class Group:
    """Captions with a picture each: ``right`` (N,) whether the judge finds the caption, ``score`` (N,) the CLIP score."""

    name: str
    captions: tuple[str, ...]
    kinds: tuple[str, ...]
    pixels: NDArray[np.uint8]
    right: NDArray[np.bool_]
    score: NDArray[np.float64]

    def rows(self) -> list[dict[str, Any]]:
        """One for all, and one for each kind where there are several."""
        kinds = list(dict.fromkeys(self.kinds))
        parts = {self.name: np.ones(len(self.captions), bool)}
        if len(kinds) > 1:
            parts |= {kind: np.array([k == kind for k in self.kinds]) for kind in kinds}
        return [
            {
                "group": part,
                "captions": int(some.sum()),
                "r_precision": float(self.right[some].mean()),
                "clip_score": float(self.score[some].mean()),
            }
            for part, some in parts.items()
        ]


def evaluate(
    source: str,
    judge: str,
    runtime: Runtime,
    *,
    data: str = "icons",
    seed: int = 0,
    knobs: Knobs = Knobs(),
    out: Path | None = None,
    note: Note = lambda *_: None,
) -> tuple[Path, dict[str, Any]]:
    """Draw for the captions of both groups, the best of 8 by the model's own CLIP, and judge. The folder of the results
    and what they are: ``evaluation.json``, and ``report.html`` with every picture, nothing picked."""
    drawing, eyes = Drawing.open(source, runtime), Sight(clip_folder.find(judge), runtime.device)
    images = image_sets.load(data, size=drawing.size)
    asked = _asked(images, seed)
    held_out = np.sort(_some(images.held_out, KNOWN, seed))
    real = _told(images, held_out), np.ascontiguousarray(images.images[held_out])
    groups = [_judged("held_out_pictures", *real, None, eyes, seed)]
    for group, (captions, kinds) in asked.items():
        drawn = []
        for i, caption in enumerate(captions):
            note(group, i, len(captions))
            made = drawing.draw(caption, 1, seed=seed + i, knobs=knobs, candidates=CANDIDATES)
            drawn.append(made.pixels[0])
        note(group, len(captions), len(captions))
        groups.append(_judged(group, captions, np.stack(drawn), kinds, eyes, seed))
    report = {
        "model": drawing.told.name,
        "judge": eyes.name,
        "data": images.name,
        "candidates": CANDIDATES,
        "ranked_by_clip": drawing.sight is not None,
        "distractors": DISTRACTORS,
        "by_lot": 1 / (DISTRACTORS + 1),
        "seed": seed,
        "tables": {"r_precision": [row for group in groups for row in group.rows()]},
    }
    folder = out or Path(f"{drawing.told.name}-evaluation")
    _keep(folder, report, groups, _copies(groups, images, eyes, seed))
    return folder, report


def _asked(images: ImageSet, seed: int) -> dict[str, tuple[tuple[str, ...], tuple[str, ...] | None]]:
    """Captions by group, every other one Chinese; those that training never composed with their kinds."""
    captions = _told(images, _some(images.train, 4 * KNOWN, seed))
    known = tuple(dict.fromkeys(captions))[:KNOWN]
    new = tuple(c.caption.zh if i % 2 else c.caption.en for i, c in enumerate(NEW_COMBINATIONS))
    return {
        "known_captions": (known, None),
        "new_combinations": (new, tuple(c.kind for c in NEW_COMBINATIONS)),
    }


def _told(images: ImageSet, places: NDArray[np.int64]) -> tuple[str, ...]:
    """Captions of the pictures at ``places``, every other one Chinese."""
    if images.captions is None:
        raise UserError(
            f"{images.name} has no captions: give data whose pictures are told",
            f"{images.name} 没有描述文字：请给带描述的数据",
        )
    captions = [images.captions[int(place)] for place in places]
    return tuple(c.zh if i % 2 else c.en for i, c in enumerate(captions))


def _some(places: NDArray[np.int64], count: int, seed: int) -> NDArray[np.int64]:
    return np.random.Generator(np.random.PCG64(seed)).permutation(places)[:count]


def _judged(
    group: str,
    captions: tuple[str, ...],
    pixels: NDArray[np.uint8],
    kinds: tuple[str, ...] | None,
    judge: Sight,
    seed: int,
) -> Group:
    seen, told = judge.of_pictures(pixels), judge.of_texts(captions)
    keys = np.unique(captions, return_inverse=True)[1]
    right = r_precision(seen, told, keys, seed=seed)
    return Group(group, captions, kinds or (group,) * len(captions), pixels, right, clip_score(seen, told))


def _copies(groups: list[Group], images: ImageSet, judge: Sight, seed: int) -> Image:
    """The drawn pictures that come nearest to training pictures, of the same captions or others, above these."""
    pixels = np.concatenate([group.pixels for group in groups[1:]])
    asked = {caption for group in groups[1:] for caption in group.captions}
    assert images.captions is not None
    same = [
        int(p) for p in images.train if not asked.isdisjoint((images.captions[p].en, images.captions[p].zh))
    ]
    places = np.unique(np.concatenate([np.array(same, np.int64), _some(images.train, LOOKED_AT, seed)]))
    training = np.ascontiguousarray(images.images[places])
    distances, indices = nearest(judge.of_pictures(pixels), judge.of_pictures(training), 3)
    return above_nearest(pixels, training, indices, np.argsort(distances[:, 0], kind="stable")[:COPIES])


HEADINGS = {
    "held_out_pictures": Text("Real pictures that were held out", "留出的真实图片"),
    "known_captions": Text("Captions of the training's words", "训练所用词汇的描述"),
    "new_combinations": Text("Combinations that training never composed", "训练中从未出现的组合"),
}


def _keep(folder: Path, report: dict[str, Any], groups: list[Group], copies: Image) -> None:
    with write_atomically(folder / "evaluation.json") as file:
        file.write(json.dumps(report, ensure_ascii=False, indent=1).encode())
    lang = language.current()
    rows = report["tables"]["r_precision"]
    parts = [
        grid_table([name(k, lang) for k in rows[0]], ([shown(v, lang) for v in row.values()] for row in rows))
    ]
    for group in groups:
        right = ["✓" if good else "✗" for good in group.right]
        figures = "".join(
            figure(grid(pixels[None], 1, enlarge=2), f"{mark} {caption}")
            for pixels, mark, caption in zip(group.pixels, right, group.captions, strict=True)
        )
        parts.append(f'<h2>{HEADINGS[group.name].in_(lang)}</h2><div class="row small">{figures}</div>')
    closest = Text(
        "Drawn pictures above the training pictures nearest to them",
        "画出的图片（上）及最接近的训练图片（下）",
    )
    parts.append(f'<h2>{closest.in_(lang)}</h2><div class="row wide">{figure(copies, "")}</div>')
    title = Text(
        f"{report['model']}, judged by {report['judge']}", f"{report['model']}，由 {report['judge']} 评判"
    )
    with write_atomically(folder / "report.html") as file:
        file.write(page(title.in_(lang), "\n".join(parts), lang).encode())
