"""What ``luoxia evaluate`` left in a folder, as a part of a page and as lines of a table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

from luoxia.core.language import Text
from luoxia.core.page import figure, grid_table, table
from luoxia.evaluate.pictures import curves
from luoxia.recipes import text_evaluation_page
from luoxia.recipes.names import name

SHEETS = {  # in the order of the page
    "truncation": Text(
        "The same samples at each truncation of the table, from the top",
        "同一批样本，自上而下依次为表中各截断",
    ),
    "best": Text(
        "The likeliest samples, above their nearest training pictures (realism, arXiv:1904.06991)",
        "最逼真的样本（上）及其最近的训练图片（下）（真实度，arXiv:1904.06991）",
    ),
    "worst": Text(
        "The unlikeliest samples, above their nearest training pictures",
        "最不逼真的样本（上）及其最近的训练图片（下）",
    ),
    "nearest": Text(
        "The samples nearest to training pictures, above these: copies would be seen here",
        "离训练图片最近的样本（上）及这些训练图片（下）：若有抄袭，可在此看到",
    ),
    "reconstructions": Text("Held-out pictures above their reconstructions", "留出图片（上）及其重建（下）"),
    "traversals": Text("One latent dimension a row, from -3 to 3", "每行一个潜变量维度，从 -3 到 3"),
    "interpolations": Text("The way between two latents, a row each", "两个潜变量之间的过渡，每行一例"),
    "inversions": Text(
        "Held-out pictures, and below each what was found of it in W, in W+, and by a tuned generator",
        "留出图片（首行）及在 W、W+ 中与微调生成器后找到的结果（其下各行）",
    ),
    "retrieved": Text(
        "A caption a row: its own held-out picture, then the nearest others",
        "每行一条描述：先是它自己的留出图片，随后是最接近的其他图片",
    ),
}
TABLES = {
    "answers_beside": Text("Answers to held-out questions, before and after", "对留出问题的回答：微调前后"),
    "comparisons": Text("Distances", "距离"),
    "truncation": Text("Truncation", "截断"),
    "inversions": Text("Held-out pictures looked for", "寻找留出图片"),
    "recall": Text("Held-out pictures and captions that find each other", "留出图片与描述的互相检索"),
    "retrieved": Text("Captions, and what each finds", "描述及各自找到的图片"),
}
SWEEP = (  # what is drawn over truncation
    (Text("Fréchet distance", "Fréchet 距离"), ("frechet_distance",)),
    (Text("kernel distance", "核距离"), ("kid",)),
    (Text("precision and recall", "精确率与召回率"), ("precision", "recall")),
    (Text("density and coverage", "密度与覆盖率"), ("density", "coverage")),
)
PLACED = {
    "truncation": ("truncation",),
    "inversions": ("inversions",),
    "retrieved": ("retrieved",),
}  # sheets that stand with a table


def section(folder: Path, lang: str) -> str:
    """The evaluation in ``folder`` as HTML; nothing where there is none."""
    try:
        found = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    if found.get("kind") == "text":
        return text_evaluation_page.section(found, lang)
    tables = found.get("tables", {})
    sheets = _sheets(folder)
    placed = {sheet for of, names in PLACED.items() if of in tables for sheet in names}
    rest = "".join(_figure(path, lang) for key, path in sheets.items() if key not in placed)
    again = {k for row in tables.get("comparisons", ())[:1] for k in row}  # stands in that table
    told = readable({k: v for k, v in found.items() if k not in again}, lang)
    parts = [f"<h2>{Text('Evaluation', '评估').in_(lang)}</h2>{table(told)}{_perceptual(found, lang)}"]
    for key, rows in tables.items():
        head = TABLES.get(key, Text(key, key)).in_(lang)
        shown = "".join(_figure(sheets[s], lang) for s in PLACED.get(key, ()) if s in sheets)
        charts = _sweep(rows, lang) if key == "truncation" else ""
        note = measured_by(found.get("scores"), lang) if key == "truncation" else ""
        parts.append(
            f"<h3>{escape(head)}</h3><p>{escape(note)}</p>{_table(rows, lang)}"
            f'<div class="row">{charts}</div>'
            f'<div class="row wide">{shown}</div>'
        )
    samples = Text("Samples", "样本").in_(lang)
    return "".join([*parts, f'<h3>{samples}</h3><div class="row wide">{rest}</div>' if rest else ""])


def readable(evaluation: Mapping[str, Any], lang: str) -> dict[str, str]:
    """An evaluation's numbers as a person reads them, by what they are called; tables are left out."""
    apart = ("memorisation", "tables", "scores")
    found = {
        name(k, lang): shown(v, lang)
        for k, v in evaluation.items()
        if k not in apart and not k.startswith("inversion_")
    }
    copies = evaluation.get("memorisation")
    if copies is None:  # of a model that makes no pictures
        return found
    found[name("nearer_to_training_than_unseen", lang)] = f"{copies['share']:.3f}"
    found[name("memorisation_z", lang)] = f"{copies['z']:.2f}"
    if "nearer" in copies:
        of = Text(
            f"{copies['nearer']} of {copies['samples']} (closer than {copies['bound']:.4g})",
            f"{copies['samples']} 个中有 {copies['nearer']} 个（小于 {copies['bound']:.4g}）",
        )
        found[name("nearer_than_training", lang)] = of.in_(lang)
    return found


def measured_by(scores: Mapping[str, Any] | None, lang: str) -> str:
    """What distances at checkpoints and truncations depend on."""
    if not scores:
        return ""
    held = scores["against"] == "held out"
    return Text(
        f"{scores['samples']} samples with {scores['real']} {'held-out' if held else 'training'} pictures, on features of "
        f"{scores['extractor']}; comparable with numbers of the same features and counts only.",
        f"{scores['samples']} 个样本与 {scores['real']} 张{'留出' if held else '训练'}图片，特征为 {scores['extractor']}；"
        "只可与相同特征、相同张数的数值比较。",
    ).in_(lang)


def perceptual(lang: str) -> str:
    """Which distance path lengths and searches are measured by."""
    return Text(
        "Path lengths and perceptual distances are measured on maps of EfficientNet-Lite0 in the form of LPIPS, where papers "
        "take VGG-16: they compare with themselves alone.",
        "路径长度与感知距离按 LPIPS 的形式在 EfficientNet-Lite0 的特征图上测量，而论文用 VGG-16：只可彼此比较。",
    ).in_(lang)


def _perceptual(found: Mapping[str, Any], lang: str) -> str:
    used = "ppl" in found or "inversions" in found.get("tables", {})
    return f"<p>{escape(perceptual(lang))}</p>" if used else ""


def shown(value: Any, lang: str) -> str:
    """A number to four digits, a truth as a word, a known word by its name."""
    if isinstance(value, bool):
        return (Text("yes", "是") if value else Text("no", "否")).in_(lang)
    if isinstance(value, float):
        return f"{value:.4g}"
    return name(value, lang) if isinstance(value, str) else str(value)


def _table(rows: list[dict[str, Any]], lang: str) -> str:
    keys = list(rows[0]) if rows else []
    return grid_table(
        [_heading(key, lang) for key in keys],
        ([shown(row.get(key, ""), lang) for key in keys] for row in rows),
    )


def _heading(key: str, lang: str) -> str:
    """``w_plus_psnr`` is "W+, dB"."""
    for stage in ("w_plus", "w", "tuned"):
        if key.startswith(f"{stage}_"):
            return f"{name(stage, lang)}, {name(key.removeprefix(f'{stage}_'), lang)}"
    return name(key, lang)


def _sweep(rows: Iterable[Mapping[str, float]], lang: str) -> str:
    given = list(rows)
    drawn = []
    for title, keys in SWEEP:
        series = {name(key, lang): [(row["psi"], row[key]) for row in given if key in row] for key in keys}
        if any(series.values()):
            reach = (0.0, 1.0) if "precision" in keys or "coverage" in keys else ()
            svg = curves(
                series, title=title.in_(lang), x_label="ψ", y_label="", reach=reach, width=300, height=220
            )
            drawn.append(f"<figure>{svg}</figure>")
    return "".join(drawn)


def _sheets(folder: Path) -> dict[str, Path]:
    found = {path.stem: path for path in sorted((folder / "evaluation").glob("*.png"))}
    return {key: found[key] for key in (*SHEETS, *found) if key in found}


def _figure(path: Path, lang: str) -> str:
    return figure(path.read_bytes(), SHEETS.get(path.stem, Text(path.stem, path.stem)).in_(lang))
