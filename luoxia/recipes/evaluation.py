"""What a run has come to: distances to held-out pictures, likelihood beside its baselines, and whether it copies.

Kept in the run's folder as ``evaluation.json``, in ``report.html``, and with its pictures in ``evaluation/``: samples
above their nearest training pictures, and what the recipe's study shows. Numbers of different extractors do not compare; the name of the one used stands beside them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from luoxia.core.errors import UserError
from luoxia.core.folder import write_atomically
from luoxia.core.runtime import Runtime
from luoxia.data.images import ImageSet
from luoxia.evaluate.classify import train_classifier
from luoxia.evaluate.distribution import frechet_distance, kernel_distance, precision_recall_density_coverage
from luoxia.evaluate.likelihood import gaussian_mixture, independent_pixels, levels_of
from luoxia.evaluate.memorisation import comparison, memorisation
from luoxia.recipes import session
from luoxia.recipes.kernel_score import drawn, extractor_for
from luoxia.recipes.report import write_report
from luoxia.train.randomness import generator

MIXTURE = 256  # values of a picture up to which a mixture of Gaussians is fitted
SURE = 0.9  # probability of its likeliest class from which a classifier has recognised a picture
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
        **({} if training.best[0] == "kid" else training.scores(modules)),  # the kernel distance stands above
    }
    if images.labels is not None:
        report |= _classes(images, np.sort(some), found, chosen.name, training.labels)
    if "bits_per_dim" in report:
        report |= _baselines(images, seed)
    pictures = {"nearest": comparison(fake, parts["training"], copies)}
    if training.study is not None:
        study = training.study(modules)
        report |= study.scores
        pictures |= study.pictures
    for name, picture in pictures.items():
        with write_atomically(run.folder / "evaluation" / f"{name}.png") as file:
            picture.save(file, "PNG")
    with write_atomically(run.folder / "evaluation.json") as file:
        file.write(json.dumps(report, indent=1).encode())
    write_report(run)
    return report


def _classes(
    images: ImageSet,
    some: NDArray[np.int64],
    found: dict[str, NDArray[np.float32]],
    extractor: str,
    asked: NDArray[np.int64] | None,
) -> dict[str, float]:
    """What a linear classifier of real classes makes of the samples, beside what it makes of held-out pictures.

    It may be sure of samples that are all alike: ``classes_in`` is the exponential of the entropy of its classes, K
    when all are as frequent.
    """
    assert images.labels is not None
    classifier = train_classifier(found["training"], images.labels[some], extractor=extractor)

    report = {"classifier_accuracy": classifier.accuracy(found["held out"], images.labels[images.held_out])}
    for of in ("held out", "samples"):
        chances = classifier.logits(found[of]).softmax(1)  # (N, K)
        shares = chances.mean(0)
        name = of.replace(" ", "_")
        report[f"classifier_sure_of_{name}"] = float((chances.max(1).values > SURE).double().mean())
        report[f"classes_in_{name}"] = float((-(shares * shares.clamp_min(1e-12).log()).sum()).exp())
    if asked is not None:
        report["class_as_asked"] = classifier.agreement(
            found["samples"], np.resize(asked, len(found["samples"]))
        )
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
