"""A run as one page: what was asked, the curves, the samples over time, the data's licences. It refers to nothing outside."""

from __future__ import annotations

import base64
from html import escape
from typing import Any

from luoxia.core import language
from luoxia.core.folder import write_atomically
from luoxia.core.language import Text
from luoxia.evaluate.pictures import curves
from luoxia.train.run import Metrics, Run

SHOWN = 8  # sample grids on the page, evenly over the run
TOGETHER = {  # curves that are read against each other
    "logits": ("logit_real", "logit_fake"),
    "bits per dimension": ("bits_per_dim", "held_out_bits_per_dim"),
    "gradient norms": ("grad_elbo", "grad_d", "grad_g", "grad_r1"),
}
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 84rem; margin: 2rem auto; padding: 0 1rem;
       color: #1c1c1c; background: #fafaf7; }
@media (prefers-color-scheme: dark) { body { color: #eceae4; background: #17181a; } }
.row { display: flex; flex-wrap: wrap; gap: 1.5rem; } figure { margin: 0; } svg, img { max-width: 100%; height: auto; }
img { image-rendering: pixelated; width: 20rem; } table { border-collapse: collapse; }
td, th { text-align: left; padding: .15rem 1rem .15rem 0; vertical-align: top; font-variant-numeric: tabular-nums; }
"""


def write_report(run: Run) -> None:
    """``report.html`` of what the run's folder holds now."""
    with write_atomically(run.folder / "report.html") as file:
        file.write(page(run, language.current()).encode())


def page(run: Run, lang: str) -> str:
    """The page as HTML in ``lang``."""
    rows = Metrics(run.folder / "metrics.jsonl").read()

    def say(en: str, zh: str) -> str:
        return escape(Text(en, zh).in_(lang))

    title = escape(f"{run.folder.name} · {run.recipe.get('recipe', '')}")
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    return f"""<!doctype html>
<html lang="{lang}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{title}</title><style>{STYLE}</style></head><body>
<h1>{title}</h1>
<h2>{say("Samples, from the same noise each time", "样本（每次使用相同的噪声）")}</h2>
<div class="row">{_samples(run, say)}</div>
<h2>{say("Curves", "曲线")}</h2>
<div class="row">{_curves(rows, Text("step", "步").in_(lang))}</div>
<h2>{say("Settings", "设置")}</h2>
{_table(_facts(run.recipe))}
<h2>{say("Data and licences", "数据与许可")}</h2>
{_table({k: v for k, v in run.recipe.get("data", {}).items() if k != "licence"})}
<ul>{"".join(f"<li>{escape(str(line))}</li>" for line in run.recipe.get("data", {}).get("licence", []))}</ul>
</body></html>
"""


def _samples(run: Run, say: Any) -> str:
    grids = sorted((run.folder / "samples").glob("step-*.png"))
    if len(grids) > SHOWN:
        grids = [grids[round(i * (len(grids) - 1) / (SHOWN - 1))] for i in range(SHOWN)]
    figures = []
    for path in grids:
        step = int(path.stem.removeprefix("step-"))
        data = base64.b64encode(path.read_bytes()).decode()
        caption = say(f"step {step}", f"第 {step} 步")
        figures.append(
            f'<figure><img alt="{caption}" src="data:image/png;base64,{data}">'
            f"<figcaption>{caption}</figcaption></figure>"
        )
    return "".join(figures)


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


def _table(facts: dict[str, Any]) -> str:
    lines = "".join(f"<tr><th>{escape(str(k))}</th><td>{escape(str(v))}</td></tr>" for k, v in facts.items())
    return f"<table>{lines}</table>"
