"""What a language model has come to: foretelling text, learning from examples, and what it writes by itself.

luoxia evaluate smollm2-135m-instruct --on perplexity,fewshot:sentiment,samples --shots 0,1,4,16

``evaluation.json`` and ``report.html`` are written again after every part, so that stopping keeps what is measured.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from luoxia.core.errors import UserError
from luoxia.core.folder import write_atomically
from luoxia.data import task_catalogue
from luoxia.evaluate.perplexity import perplexity
from luoxia.generate.sampling import Sampling
from luoxia.generate.text import TextModel
from luoxia.recipes import few_shot_study, text_evaluation_page, text_samples, text_sources
from luoxia.recipes.few_shot_study import Note, Plan
from luoxia.recipes.report import write_report
from luoxia.train.run import Run
from luoxia.weights import gpt_run

PERPLEXITY, FEWSHOT, SAMPLES = "perplexity", "fewshot", "samples"


@dataclass(frozen=True)
class Asked:
    """``on``: parts as "perplexity", "perplexity:FILE", "fewshot:NAME", "samples". ``against`` is a training text that
    samples are looked up in; ``sampling`` are the knobs that samples are written with."""

    on: tuple[str, ...]
    plan: Plan = field(default_factory=Plan)
    tasks: Path | None = None
    prompts: tuple[str, ...] = text_samples.PROMPTS
    samples: int = 32
    against: Path | None = None
    stride: int | None = None
    sampling: dict[str, Any] = field(default_factory=lambda: {"max_new_tokens": 128})

    def __post_init__(self) -> None:
        for part in self.on:
            kind, _, name = part.partition(":")
            if kind not in (PERPLEXITY, FEWSHOT, SAMPLES) or (kind == FEWSHOT and not name):
                raise UserError(
                    f"--on {part!r} is not known; give perplexity, perplexity:FILE, fewshot:TASK or samples, with commas "
                    f"between; tasks are {', '.join((*task_catalogue.GROUPS, *task_catalogue.names()))}, or a path",
                    f"不认识 --on {part!r}；可给 perplexity、perplexity:文件、fewshot:任务 或 samples，以逗号分隔；"
                    f"任务有 {', '.join((*task_catalogue.GROUPS, *task_catalogue.names()))}，或文件路径",
                )
        if not self.on or self.samples < 1 or not self.prompts:
            raise UserError(
                "nothing is asked for; give --on a part, and one sample and one prompt at least",
                "没有要测量的内容；请用 --on 指定，样本与提示至少各一",
            )
        Sampling(**self.sampling)

    def parts(self) -> list[tuple[str, str]]:
        """(kind, name) of each, groups of tasks and the texts that ship spelled out."""
        found = list[tuple[str, str]]()
        for part in self.on:
            kind, _, name = part.partition(":")
            if kind == FEWSHOT:
                found += [(kind, task) for task in task_catalogue.expanded(name)]
            elif kind == PERPLEXITY and not name:
                found += [(kind, text) for text in text_sources.general_text.LANGUAGES]
            else:
                found.append((kind, name))
        return list(dict.fromkeys(found))


def evaluate(
    names: list[str],
    load: Callable[[str], TextModel],
    asked: Asked,
    out: Path | None = None,
    note: Note = lambda *_: None,
) -> tuple[Path, dict[str, Any]]:
    """Measure each of ``names`` in all that is asked. The folder of the results, a run's own where the first of them is
    one, and what they are."""
    # What cannot be read is refused before a model is loaded.
    loaded = {task: _task(task, asked) for kind, task in asked.parts() if kind == FEWSHOT}
    if asked.against and not asked.against.exists():
        raise UserError(
            f"there is no {asked.against} to look samples up in", f"没有可供比对的 {asked.against}"
        )
    report: dict[str, Any] = {
        "kind": "text",
        "models": [],
        "on": list(asked.on),
        "seed": asked.plan.seed,
        "limit": asked.plan.limit,
        "versions": {"torch": torch.__version__, "python": platform.python_version()},
        "perplexity": [],
        "few_shot": [],
        "samples": [],
    }
    folder = out or (Path(names[0]) if gpt_run.is_one(names[0]) else None)
    for name in names:
        model = load(name)
        label = model.id if model.id not in report["models"] else f"{model.id} (2)"
        folder = folder or Path(f"{Path(label).name}-evaluation")
        report["models"].append(label)
        for kind, part in asked.parts():
            if kind == PERPLEXITY:
                report["perplexity"].append({"model": label, **_foretold(model, part, asked, note)})
            elif kind == FEWSHOT:
                found = few_shot_study.study(model, loaded[part], asked.plan, note)
                report["few_shot"].append({"model": label, **found})
            else:
                report["samples"].append({"model": label, **_samples(model, asked, note)})
            _keep(folder, report)
    assert folder is not None
    return folder, report


def _task(name: str, asked: Asked) -> Any:
    plan = asked.plan
    return task_catalogue.load(
        name, limit=plan.limit, shots=max(plan.shots), seed=plan.seed, folder=asked.tasks
    )


def _foretold(model: TextModel, name: str, asked: Asked, note: Note) -> dict[str, Any]:
    text = text_sources.measured(name, model)
    found = perplexity(
        model.network,
        text.ids,
        text.size,
        stride=asked.stride,
        lock=model.lock,
        heard=lambda done, total: note(f"{model.id}, {text.name}", done, total),
    )
    return {"text": text.name, "whole": text.whole, **found.as_dict()}


def _samples(model: TextModel, asked: Asked, note: Note) -> dict[str, Any]:
    rows = text_samples.written(model, asked.prompts, asked.samples, asked.plan.seed, note, **asked.sampling)
    found = text_samples.scores(rows)
    knobs = asdict(Sampling(**asked.sampling))
    knobs["stop"] = list(knobs["stop"])
    del knobs["seed"], knobs["logprobs"]
    if asked.against:
        found |= {"against": asked.against.name}
        lengths = [len(row["text"]) for row in rows]
        unseen = text_sources.unseen(asked.against, lengths, asked.plan.seed)
        found |= text_samples.copied(rows, text_sources.training_text(asked.against), unseen)
    return {"scores": found, "sampling": knobs, "rows": rows}


def _keep(folder: Path, report: dict[str, Any]) -> None:
    with write_atomically(folder / "evaluation.json") as file:
        file.write(json.dumps(report, ensure_ascii=False, indent=1).encode())
    for name, svg in text_evaluation_page.plots(report).items():
        with write_atomically(folder / "evaluation" / f"{name}.svg") as file:
            file.write(svg.encode())
    if gpt_run.is_one(folder):
        write_report(Run.open(folder))
        return
    with write_atomically(folder / "report.html") as file:
        file.write(text_evaluation_page.whole(report).encode())
