"""A run as one page: what was asked, the curves, the samples over time, the data's licences. It refers to nothing outside."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from luoxia.core import language
from luoxia.core.folder import write_atomically
from luoxia.core.language import Text
from luoxia.core.page import figure, table
from luoxia.core.page import page as whole_page
from luoxia.evaluate.pictures import curves
from luoxia.recipes.evaluation_page import measured_by, perceptual, section
from luoxia.recipes.names import NAMES, name
from luoxia.train.run import Run

SHOWN = 8  # sample grids on the page, evenly over the run


@dataclass(frozen=True)
class Chart:
    """Curves that are read against each other; ``log`` where they fall over decades, ``reach`` what the axis takes in."""

    title: Text
    members: tuple[str, ...]
    log: bool = False
    reach: tuple[float, ...] = ()


SHARE = (0.0, 1.0)
QUALITY = (  # of checkpoints
    Chart(NAMES["frechet_distance"], ("held_out_frechet_distance",), log=True),
    Chart(NAMES["kid"], ("held_out_kid",), log=True),
    Chart(
        Text("precision and recall", "精确率与召回率"), ("held_out_precision", "held_out_recall"), reach=SHARE
    ),
    Chart(
        Text("density and coverage", "密度与覆盖率"), ("held_out_density", "held_out_coverage"), reach=SHARE
    ),
    Chart(NAMES["ppl"], ("held_out_ppl",), log=True),
    Chart(NAMES["bits_per_dim"], ("bits_per_dim", "held_out_bits_per_dim")),
    Chart(NAMES["bits_per_byte"], ("bits_per_byte", "held_out_bits_per_byte")),
    Chart(NAMES["nats_per_token"], ("nats_per_token", "held_out_nats_per_token")),
    Chart(
        NAMES["nats_per_code"], ("nats_per_code", "held_out_nats_per_code", "held_out_nats_per_code_untold")
    ),
)
COURSE = (  # of training
    Chart(Text("logits", "logit"), ("logit_real", "logit_fake")),
    Chart(
        Text("gradient norms", "梯度范数"),
        ("grad_elbo", "grad_d", "grad_g", "grad_r1", "grad_path", "grad_tokens", "grad_words"),
        log=True,
    ),
)


def write_report(run: Run) -> None:
    """``report.html`` of what the run's folder holds now."""
    with write_atomically(run.folder / "report.html") as file:
        file.write(page(run, language.current()).encode())


def page(run: Run, lang: str) -> str:
    """The page as HTML in ``lang``."""
    rows = run.metrics.read()

    def say(en: str, zh: str) -> str:
        return escape(Text(en, zh).in_(lang))

    title = f"{run.folder.name} · {run.recipe.get('recipe', '')}"
    data = run.recipe.get("data", {})
    body = f"""{_findings(run, lang)}
<h2>{say("Samples, from the same noise each time", "样本（每次使用相同的噪声）")}</h2>
<div class="row">{_samples(run, lang)}</div>{_texts(run, lang)}
<h2>{say("Curves", "曲线")}</h2>
<p>{escape(_measured_by(run, rows, lang))}</p>
<div class="row">{_curves(rows, lang)}</div>
{section(run.folder, lang)}
<h2>{say("Settings", "设置")}</h2>
{table(_facts(run.recipe))}
<h2>{say("Data and licences", "数据与许可")}</h2>
{table({k: v for k, v in data.items() if k != "licence"})}
<ul>{"".join(f"<li>{escape(str(line))}</li>" for line in data.get("licence", []))}</ul>"""
    return whole_page(title, body, lang)


def write_model_report(folder: Path, facts: dict[str, Any]) -> None:
    """``report.html`` of an evaluation that belongs to no run's page."""
    lang = language.current()
    title = Text(
        f"{facts.get('model') or facts.get('run')} · evaluation",
        f"{facts.get('model') or facts.get('run')} · 评估",
    )
    known = {k: v for k, v in facts.items() if k != "licence"}
    lines = "".join(f"<li>{escape(str(line))}</li>" for line in facts.get("licence", []))
    head = Text("Model and data", "模型与数据").in_(lang)
    body = f"{section(folder, lang)}<h2>{head}</h2>{table(known)}<ul>{lines}</ul>"
    with write_atomically(folder / "report.html") as file:
        file.write(whole_page(title.in_(lang), body, lang).encode())


def _samples(run: Run, lang: str) -> str:
    grids = _some(sorted((run.folder / "samples").glob("step-*.png")))
    steps = [int(path.stem.removeprefix("step-")) for path in grids]
    captions = [Text(f"step {step}", f"第 {step} 步").in_(lang) for step in steps]
    return "".join(figure(path.read_bytes(), text) for path, text in zip(grids, captions, strict=True))


def _texts(run: Run, lang: str) -> str:
    """What a model that writes has written, the newest first."""
    parts = []
    for path in reversed(_some(sorted((run.folder / "samples").glob("step-*.json")))):
        step = int(path.stem.removeprefix("step-"))
        lines = "".join(f"<pre>{escape(text)}</pre>" for text in json.loads(path.read_text(encoding="utf-8")))
        parts.append(f"<h3>{escape(Text(f'step {step}', f'第 {step} 步').in_(lang))}</h3>{lines}")
    return "".join(parts)


def _some(paths: list[Path]) -> list[Path]:
    """``SHOWN`` of them at most, evenly from the first to the last."""
    if len(paths) <= SHOWN:
        return paths
    return [paths[round(i * (len(paths) - 1) / (SHOWN - 1))] for i in range(SHOWN)]


def _findings(run: Run, lang: str) -> str:
    """What the training doctor has said."""
    found = run.findings.read()
    if not found:
        return ""
    head, at = Text("Doctor's notes", "训练医生").in_(lang), Text("step", "步").in_(lang)
    lines = "".join(
        f"<li>{at} {row['step']}: <b>{escape(row['what'][lang])}</b>: {escape(row['why'][lang])}. "
        f"{escape(row['advice'][lang])}.</li>"
        for row in found
    )
    return f"<h2>{escape(head)}</h2><ul>{lines}</ul>"


def _measured_by(run: Run, rows: list[dict[str, Any]], lang: str) -> str:
    """What the numbers of checkpoints depend on."""
    told = measured_by(run.recipe.get("facts", {}).get("scores"), lang)
    at = Text("At checkpoints: ", "检查点：").in_(lang) + told if told else ""
    return f"{at} {perceptual(lang)}" if any("held_out_ppl" in row for row in rows) else at


def _curves(rows: list[dict[str, Any]], lang: str) -> str:
    names = {n: None for row in rows for n in row if n != "step"}
    grouped = {n for chart in (*QUALITY, *COURSE) for n in chart.members}
    alone = [Chart(Text(name(n, "en"), name(n, "zh")), (n,)) for n in names if n not in grouped]
    return "".join(_drawn(chart, rows, lang) for chart in (*QUALITY, *COURSE, *alone))


def _drawn(chart: Chart, rows: list[dict[str, Any]], lang: str) -> str:
    series = {name(n, lang): [(row["step"], row[n]) for row in rows if n in row] for n in chart.members}
    series = {n: points for n, points in series.items() if points}
    values = [y for points in series.values() for _, y in points if math.isfinite(y)]
    if not values:
        return ""
    log = chart.log and min(values) > 0
    svg = curves(
        series,
        title=chart.title.in_(lang),
        x_label=Text("step", "步").in_(lang),
        y_label="",
        log_y=log,
        reach=chart.reach,
        width=480,
        height=280,
    )
    return f"<figure>{svg}</figure>"


def _facts(recipe: dict[str, Any]) -> dict[str, Any]:
    plain = {k: recipe[k] for k in ("seed", "world") if k in recipe}
    return plain | recipe.get("settings", {}) | recipe.get("versions", {})
