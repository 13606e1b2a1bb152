"""What a run or a model has come to: distances to held-out pictures, likelihood beside its baselines, and whether it copies.

Kept in a folder, a run's in its own, as ``evaluation.json``, in ``report.html``, and with its pictures in
``evaluation/``: samples above their nearest training pictures, and what the recipe's study shows. Numbers of different
extractors do not compare; the name of the one used stands beside them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Image

from luoxia.core.errors import UserError
from luoxia.core.folder import write_atomically
from luoxia.core.runtime import Runtime
from luoxia.data.images import ImageSet
from luoxia.evaluate.classify import train_classifier
from luoxia.evaluate.distribution import frechet_distance, kernel_distance, precision_recall_density_coverage
from luoxia.evaluate.likelihood import gaussian_mixture, independent_pixels, levels_of
from luoxia.evaluate.memorisation import MemorisationReport, above_nearest, comparison, memorisation
from luoxia.evaluate.realism import realism
from luoxia.recipes import subject as subjects
from luoxia.recipes.kernel_score import NEIGHBOURS, drawn, extractor_for
from luoxia.recipes.report import write_model_report, write_report
from luoxia.recipes.searches import Searches
from luoxia.recipes.subject import Subject
from luoxia.train.engine import Note
from luoxia.train.randomness import generator

MIXTURE = 256  # values of a picture up to which a mixture of Gaussians is fitted
SURE = 0.9  # probability of its likeliest class from which a classifier has recognised a picture
TRAINING_PICTURES = 2_000  # among which nearest neighbours are looked for
ALPHA = 0.01  # p-value from which a sample is suspect; more where fewer than 99 pictures are held out
RANKED = 16  # samples on the sheets of the best and the worst
DISTANCES = (
    "frechet_distance",
    "kernel_distance",
    "kernel_distance_std",
    "precision",
    "recall",
    "density",
    "coverage",
)


def evaluate(
    source: str | Path,
    runtime: Runtime,
    *,
    data: str | None = None,
    samples: int = 500,
    seed: int = 0,
    inversions: int = 0,
    out: Path | None = None,
    note: Note = lambda *_: None,
) -> tuple[Path, dict[str, Any]]:
    """Measure the run in folder ``source`` on its own held-out pictures, or those of ``data``; or a StyleGAN model on
    ``data``. The folder of the results and what they are.

    ``inversions`` held-out pictures are looked for in a StyleGAN's space. ``note`` hears what is being looked at, how
    much of it is done, and of how much.
    """
    if not 100 <= samples <= 50_000 or not 0 <= inversions <= 1_000:
        raise UserError(
            f"samples is {samples} and inversions {inversions}; give 100 to 50,000 and 0 to 1,000",
            f"samples 为 {samples}，inversions 为 {inversions}；请给 100 到 50,000 与 0 到 1,000",
        )
    subject = subjects.find(str(source), runtime, data, out)
    search = Searches(subject.source, runtime, inversions, seed) if inversions else None
    images, training, modules = subject.images, subject.training, subject.modules
    real = images.images[images.held_out]
    if not training.draws:
        return subject.folder, _looked_at(subject, len(real), note)
    with torch.no_grad():
        fake = drawn(
            lambda have: training.pictures(modules, generator(runtime.device, seed, 0xE7, have)), samples
        )
    chosen = extractor_for(images.size, runtime.device)
    random = np.random.Generator(np.random.PCG64(seed))
    some = np.sort(random.permutation(images.train)[:TRAINING_PICTURES])
    parts = {"held out": real, "samples": fake, "training": images.images[some]}
    found = {
        name: chosen(pictures, lambda done, total, name=name: note(name, done, total))
        for name, pictures in parts.items()
    }
    rows = _comparisons(found, random, seed)
    first = {k: v for k, v in rows[0].items() if k in DISTANCES}
    unseen = len(found["held out"])
    copies = memorisation(
        found["samples"],
        found["training"],
        found["held out"],
        extractor=chosen.name,
        alpha=max(ALPHA, 1 / (unseen + 1)),
    )
    report: dict[str, Any] = {
        "extractor": chosen.name,
        "samples": samples,
        "held_out": len(real),
        "training_looked_at": len(some),
        "learned_from_these": subject.learned_from_these,
        **first,
        "memorisation": copies.as_dict(),
        **({} if training.best[0] == "kid" else training.scores(modules)),  # the kernel distance stands above
    }
    if images.labels is not None:
        report |= _classes(images, some, found, chosen.name, training.labels)
    if "bits_per_dim" in report:
        report |= _baselines(images, seed)
    pictures = {"nearest": comparison(fake, parts["training"], copies)} | _ranked(fake, parts, found, copies)
    studies = [] if training.study is None else [training.study(modules, note)]
    studies += [] if search is None else [search.study(real, note)]
    tables = {"comparisons": rows}
    for study in studies:
        report |= study.scores
        pictures |= study.pictures
        tables |= study.tables
    depends = {"scores": training.facts["scores"]} if "scores" in training.facts else {}
    _keep(subject, report | {"tables": tables} | depends, pictures)
    return subject.folder, report


def _looked_at(subject: Subject, held_out: int, note: Note) -> dict[str, Any]:
    """What the study of a model says that makes no pictures."""
    assert subject.training.study is not None
    study = subject.training.study(subject.modules, note)
    report: dict[str, Any] = {
        "held_out": held_out,
        "learned_from_these": subject.learned_from_these,
        **study.scores,
    }
    _keep(subject, report | {"tables": study.tables}, study.pictures)
    return report


def _comparisons(
    found: dict[str, NDArray[np.float32]], random: np.random.Generator, seed: int
) -> list[dict[str, Any]]:
    """Distances of samples from held-out pictures; what as many training pictures reach in their place, which is as
    near as a generator comes; and of samples from training pictures."""
    training, samples = found["training"], found["samples"]
    stand_in = training[np.sort(random.permutation(len(training))[: len(samples)])]
    pairs = {
        "samples_with_held_out": (found["held out"], samples),
        "training_with_held_out": (found["held out"], stand_in),
        "samples_with_training": (training, samples),
    }
    rows = []
    for compared, (a, b) in pairs.items():
        kernel = kernel_distance(a, b, seed=seed)
        manifold = precision_recall_density_coverage(a, b, min(NEIGHBOURS, len(a) - 1, len(b) - 1))
        rows.append(
            {
                "compared": compared,
                "n": f"{len(b)}, {len(a)}",
                "frechet_distance": frechet_distance(a, b),
                "kernel_distance": kernel.mean,
                "kernel_distance_std": kernel.std,
                **manifold._asdict(),
            }
        )
    return rows


def _ranked(
    fake: NDArray[np.uint8],
    parts: dict[str, NDArray[np.uint8]],
    found: dict[str, NDArray[np.float32]],
    copies: MemorisationReport,
) -> dict[str, Image]:
    """The likeliest and the unlikeliest samples above their nearest training pictures."""
    likely = realism(found["training"], found["samples"])
    best, worst = (np.argsort(sign * likely, kind="stable")[:RANKED] for sign in (-1, 1))
    return {
        "best": above_nearest(fake, parts["training"], copies.indices, best),
        "worst": above_nearest(fake, parts["training"], copies.indices, worst),
    }


def _keep(subject: Subject, report: dict[str, Any], pictures: dict[str, Image]) -> None:
    for name, picture in pictures.items():
        with write_atomically(subject.folder / "evaluation" / f"{name}.png") as file:
            picture.save(file, "PNG")
    with write_atomically(subject.folder / "evaluation.json") as file:
        file.write(json.dumps(report, ensure_ascii=False, indent=1).encode())
    if subject.run is not None:
        write_report(subject.run)
    else:
        write_model_report(subject.folder, subject.facts)


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
