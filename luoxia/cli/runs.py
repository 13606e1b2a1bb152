"""`luoxia runs`: the trainings in a folder, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument

from luoxia.cli.words import print_table, say
from luoxia.core.errors import UserError

if TYPE_CHECKING:
    from luoxia.train.run import Run


RANKING = ("kid", "bits_per_dim", "bits_per_byte")  # the scores that rank checkpoints; less of each is better


def runs(
    folder: Annotated[
        Path, Argument(metavar="[FOLDER]", help=say("Where the runs are.", "训练所在的文件夹。"))
    ] = Path("runs"),
) -> None:
    from luoxia.train.run import Run

    if not folder.is_dir():
        raise UserError(
            f"there is no folder {folder}; `luoxia train` makes runs in runs/ or where -o says",
            f"没有文件夹 {folder}；`luoxia train` 将训练放在 runs/ 或 -o 指定处",
        )
    found = [Run.open(path.parent) for path in sorted(folder.glob("*/recipe.json"))]
    if not found:
        raise UserError(f"there are no runs in {folder}", f"{folder} 中没有训练")
    heading = (
        say("run", "训练"),
        say("recipe", "配方"),
        say("data", "数据"),
        say("step", "步数"),
        say("seed", "种子"),
        say("best score", "最佳得分"),
        say("at step", "在第几步"),
    )
    print_table([heading, *map(_row, found)])


def _row(run: Run) -> tuple[str, ...]:
    rows, recipe = run.metrics.read(), run.recipe
    step, steps = (rows[-1]["step"] if rows else 0), recipe["settings"]["steps"]
    name = next((name for name in RANKING if any(f"held_out_{name}" in row for row in rows)), "")
    scores = [(row[f"held_out_{name}"], row["step"]) for row in rows if f"held_out_{name}" in row]
    best = min(scores, default=None)
    score, at = (f"{name} {best[0]:.4g}", str(best[1])) if best else ("", "")
    return (
        run.folder.name,
        recipe["recipe"],
        recipe["data"]["name"],
        f"{step}/{steps}",
        str(recipe["seed"]),
        score,
        at,
    )
