"""The part of `luoxia evaluate` that measures models which write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from typer import Exit

from luoxia.cli import inputs
from luoxia.cli.evaluation_options import TextOptions
from luoxia.cli.readiness import make_ready
from luoxia.cli.words import print_table, tell
from luoxia.cli.write import INTERRUPTED
from luoxia.core.errors import UserError
from luoxia.weights.catalogue import CATALOGUE


def writes(source: str) -> bool:
    """Whether ``source`` is a model that writes, as far as its name tells."""
    from luoxia.weights import gpt_run

    entry = CATALOGUE.get(source)
    return entry.kind == "text" if entry else source.endswith(".gguf") or gpt_run.is_one(source)


def run(
    source: str,
    options: TextOptions,
    note: Callable[[str, int, int], None],
    *,
    samples: int | None,
    seed: int,
    out: Path | None,
    device: str | None,
    threads: int | None,
) -> None:
    """Measure, print the tables, say where the report is. Ctrl-C keeps what is measured."""
    from luoxia.core import language, seeds
    from luoxia.recipes import text_evaluation, text_evaluation_page
    from luoxia.recipes.few_shot_study import Plan
    from luoxia.recipes.text_evaluation import Asked

    plan = Plan(
        _numbers(options.shots),
        options.draws,
        options.limit,
        seeds.checked(seed),
        options.constrained,
    )
    usual = Asked(("perplexity",))
    asked = Asked(
        tuple(part.strip() for part in (options.on or "perplexity").split(",") if part.strip()),
        plan,
        options.tasks,
        tuple(_lines(options.prompts)) if options.prompts else usual.prompts,
        usual.samples if samples is None else samples,
        options.against,
        options.stride,
        {"max_new_tokens": options.max_tokens, "temperature": options.temperature},
    )
    names = [source, *([options.beside] if options.beside else [])]
    for name in names:
        make_ready(name)

    import luoxia  # brings torch

    try:
        folder, report = text_evaluation.evaluate(
            names,
            lambda name: luoxia.load(name, device=device, threads=threads),
            asked,
            out,
            note,
        )
    except KeyboardInterrupt:
        tell(
            "stopped; what was measured before is kept in the report",
            "已停止；此前测得的结果已保存在报告中",
        )
        raise Exit(INTERRUPTED) from None
    lang = language.current()
    for i, table in enumerate(text_evaluation_page.tables(report, lang)):
        if i:
            print()
        print_table(table)
    for line in text_evaluation_page.notes(report, lang):
        tell(line, line)
    tell(
        f"Kept in {folder}/evaluation.json; {folder}/report.html shows it with plots.",
        f"已存入 {folder}/evaluation.json；{folder}/report.html 附图展示。",
    )


def _numbers(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and len(part) < 7 for part in parts):
        raise UserError(
            f"--shots {text}: write whole numbers with commas between, as in 0,1,4,16",
            f"--shots {text}：请写以逗号分隔的整数，如 0,1,4,16",
        )
    return tuple(int(part) for part in parts)


def _lines(path: Path) -> list[str]:
    found = [line.strip() for line in inputs.contents(path).splitlines() if line.strip()]
    if not found:
        raise UserError(f"{path} has no prompts in it", f"{path} 中没有提示")
    return found
