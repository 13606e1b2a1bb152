"""A run as one page: what was asked, the curves, the samples over time, the data's licences. It refers to nothing outside."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from luoxia.core import language
from luoxia.core.folder import write_atomically
from luoxia.core.language import Text
from luoxia.core.page import figure, table
from luoxia.core.page import page as whole_page
from luoxia.evaluate.pictures import curves
from luoxia.train.run import Run

SHOWN = 8  # sample grids on the page, evenly over the run
TOGETHER = {  # curves that are read against each other
    "logits": ("logit_real", "logit_fake"),
    "bits per dimension": ("bits_per_dim", "held_out_bits_per_dim"),
    "gradient norms": ("grad_elbo", "grad_d", "grad_g", "grad_r1"),
}


SHEETS = {
    "nearest": Text("Samples above their nearest training pictures", "样本（上）及其最近的训练图片（下）"),
    "reconstructions": Text("Held-out pictures above their reconstructions", "留出图片（上）及其重建（下）"),
    "traversals": Text("One latent dimension a row, from -3 to 3", "每行一个潜变量维度，从 -3 到 3"),
    "interpolations": Text("The way between two latents, a row each", "两个潜变量之间的过渡，每行一例"),
}


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
<div class="row">{_samples(run, lang)}</div>
<h2>{say("Curves", "曲线")}</h2>
<div class="row">{_curves(rows, Text("step", "步").in_(lang))}</div>
{_evaluation(run, lang)}
<h2>{say("Settings", "设置")}</h2>
{table(_facts(run.recipe))}
<h2>{say("Data and licences", "数据与许可")}</h2>
{table({k: v for k, v in data.items() if k != "licence"})}
<ul>{"".join(f"<li>{escape(str(line))}</li>" for line in data.get("licence", []))}</ul>"""
    return whole_page(title, body, lang)


def _samples(run: Run, lang: str) -> str:
    grids = sorted((run.folder / "samples").glob("step-*.png"))
    if len(grids) > SHOWN:
        grids = [grids[round(i * (len(grids) - 1) / (SHOWN - 1))] for i in range(SHOWN)]
    steps = [int(path.stem.removeprefix("step-")) for path in grids]
    captions = [Text(f"step {step}", f"第 {step} 步").in_(lang) for step in steps]
    return "".join(figure(path.read_bytes(), text) for path, text in zip(grids, captions, strict=True))


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


def _evaluation(run: Run, lang: str) -> str:
    """What ``luoxia evaluate`` left, where it has been asked."""
    try:
        found = json.loads((run.folder / "evaluation.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    pictures = sorted((run.folder / "evaluation").glob("*.png"))
    shown = "".join(
        figure(p.read_bytes(), SHEETS.get(p.stem, Text(p.stem, p.stem)).in_(lang)) for p in pictures
    )
    head = Text("Evaluation", "评估").in_(lang)
    return f'<h2>{head}</h2>{table(readable(found))}<div class="row wide">{shown}</div>'


def readable(evaluation: dict[str, Any]) -> dict[str, str]:
    """An evaluation's numbers as a person reads them; of the memorisation check its share and z."""
    numbers = {k: v for k, v in evaluation.items() if k != "memorisation"}
    copies = evaluation["memorisation"]
    return {k: f"{v:.4g}" if isinstance(v, float) else str(v) for k, v in numbers.items()} | {
        "nearer_to_training_than_unseen": f"{copies['share']:.3f}",
        "memorisation_z": f"{copies['z']:.2f}",
    }


def _curves(rows: list[dict[str, Any]], x_label: str) -> str:
    names = {name: None for row in rows for name in row if name != "step"}
    charts = {title: [n for n in members if n in names] for title, members in TOGETHER.items()}
    grouped = {n for members in charts.values() for n in members}
    charts |= {n: [n] for n in names if n not in grouped}
    drawn = []
    for title, members in charts.items():
        series = {n: [(row["step"], row[n]) for row in rows if n in row] for n in members}
        if any(series.values()):
            chart = curves(series, title=title, x_label=x_label, y_label="", width=480, height=280)
            drawn.append(f"<figure>{chart}</figure>")
    return "".join(drawn)


def _facts(recipe: dict[str, Any]) -> dict[str, Any]:
    plain = {k: recipe[k] for k in ("seed", "world") if k in recipe}
    return plain | recipe.get("settings", {}) | recipe.get("versions", {})
