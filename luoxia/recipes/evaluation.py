"""What a run has come to: distances to held-out pictures, likelihood beside its baselines, and whether it copies.

Kept in the run's folder as ``evaluation.json``, with the nearest training pictures of its samples as
``nearest.png``. Numbers of different extractors do not compare; the name of the one used stands beside them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from luoxia.core.errors import UserError
from luoxia.core.folder import write_atomically
from luoxia.core.runtime import Runtime
from luoxia.data.images import ImageSet
from luoxia.evaluate.distribution import frechet_distance, kernel_distance, precision_recall_density_coverage
from luoxia.evaluate.likelihood import gaussian_mixture, independent_pixels, levels_of
from luoxia.evaluate.memorisation import comparison, memorisation
from luoxia.recipes import session
from luoxia.recipes.kernel_score import drawn, extractor_for
from luoxia.train.randomness import generator

MIXTURE = 256  # values of a picture up to which a mixture of Gaussians is fitted
TRAINING_PICTURES = 2_000  # among which nearest neighbours are looked for


def evaluate(
    folder: Path,
    runtime: Runtime,
    *,
    data: str | None = None,
    samples: int = 500,
    seed: int = 0,
    note: Callable[[str, int, int], None] = lambda *_: None,
) -> dict[str, Any]:
    """Measure the run in ``folder`` on its own held-out pictures, or those of ``data``.

    ``note`` hears what is being looked at, how many pictures of it are done, and of how many.
    """
    if not 100 <= samples <= 50_000:
        raise UserError(
            f"samples is {samples}; give 100 to 50,000", f"samples 为 {samples}；请给 100 到 50,000"
        )
    run, images, training, modules = session.open_model(folder, runtime, data)
    real = images.images[images.held_out]
    with torch.no_grad():
        fake = drawn(
            lambda have: training.pictures(modules, generator(runtime.device, seed, 0xE7, have)), samples
        )
    chosen = extractor_for(images.size, runtime.device)
    random = np.random.Generator(np.random.PCG64(seed))
    some = random.permutation(images.train)[:TRAINING_PICTURES]
    parts = {"held out": real, "samples": fake, "training": images.images[np.sort(some)]}
    found = {
        name: chosen(pictures, lambda done, total, name=name: note(name, done, total))
        for name, pictures in parts.items()
    }
    manifold = precision_recall_density_coverage(found["held out"], found["samples"])
    kernel = kernel_distance(found["held out"], found["samples"], seed=seed)
    copies = memorisation(found["samples"], found["training"], found["held out"], extractor=chosen.name)
    report: dict[str, Any] = {
        "extractor": chosen.name,
        "samples": samples,
        "held_out": len(real),
        "frechet_distance": frechet_distance(found["held out"], found["samples"]),
        "kernel_distance": kernel.mean,
        "kernel_distance_std": kernel.std,
        **manifold._asdict(),
        "memorisation": copies.as_dict(),
        **training.scores(modules),
    }
    if "bits_per_dim" in report:
        report |= _baselines(images, seed)
    with write_atomically(run.folder / "nearest.png") as file:
        comparison(fake, parts["training"], copies).save(file, "PNG")
    with write_atomically(run.folder / "evaluation.json") as file:
        file.write(json.dumps(report, indent=1).encode())
    return report


def _baselines(images: ImageSet, seed: int) -> dict[str, float]:
    """What simple models reach in bits per dimension. A mixture of large pictures would take hours: left out."""
    train, held_out = images.images[images.train], images.images[images.held_out]
    levels = levels_of(images.images)
    found = {"bits_per_dim_of_independent_pixels": independent_pixels(train, held_out, levels)}
    if train[0].size <= MIXTURE:
        found["bits_per_dim_of_gaussian_mixture"] = gaussian_mixture(
            train, held_out, min(50, len(train)), seed, levels=levels
        )
    return found
