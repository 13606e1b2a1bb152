"""`luoxia plan`: what a training will cost on this machine, before it is begun."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from luoxia.cli import options
from luoxia.cli.words import print_table, say, tell
from luoxia.core.progress import readable_size

if TYPE_CHECKING:
    from luoxia.recipes.plan import Cost

HOUR, NIGHT = 3_600, 8 * 3_600


def plan(
    recipe: Annotated[str, Argument(help=say("As for `luoxia train`.", "同 `luoxia train`。"))],
    data: Annotated[str, Option(metavar="DATA", help=say("As for `luoxia train`.", "同 `luoxia train`。"))],
    size: options.Size = None,
    steps: options.Steps = None,
    depth: options.Depth = None,
    set_: options.Settings = None,
    device: options.Device = None,
    threads: options.Threads = None,
) -> None:
    from luoxia.core.runtime import resolve
    from luoxia.recipes import catalogue, plan
    from luoxia.train.settings import changed

    changes = options.changes(set_, steps, depth)
    of = catalogue.find(recipe)
    settings, _ = of.open(changed(of.settings, changes), data, of.size_of(data, size))
    free, disk = plan.free_memory(resolve(device=device).device), plan.free_disk(Path("runs"))

    def note(what: str) -> None:
        tell(f"Measuring {what} …", f"正在测量 {what} …")

    costs = list(
        plan.plans(recipe, data, size=size, changes=changes, device=device, threads=threads, note=note)
    )
    asked, best = costs[0], plan.recommended(costs, free)
    span = f"{settings.steps}: {_span(asked.seconds(settings))}"
    print_table(
        [
            (say("weights", "权重"), f"{asked.weights / 1e6:.2f} M"),
            (say("memory at its peak", "内存峰值"), f"{readable_size(asked.memory)} / {readable_size(free)}"),
            (say("disk", "磁盘"), f"{readable_size(asked.disk())} / {readable_size(disk)}"),
            (say("a sample sheet", "样本图"), f"{asked.draw:.1f} s"),
            (say("scores of a checkpoint", "检查点评分"), f"{asked.score:.1f} s"),
            (say("all steps", "全部步数"), span),
            (say("in an hour", "一小时"), _steps(asked, HOUR)),
            (say("in a night", "一夜（8 小时）"), _steps(asked, NIGHT)),
        ]
    )
    print()
    _compare(costs, best)
    print()
    if best is None:
        tell(
            "None of these fits into the free memory: give a smaller batch_size, width or --size.",
            "以上均超出可用内存：请减小 batch_size、width 或 --size。",
        )
        return
    given = options.changes(set_, None)
    if best.batch_size != asked.batch_size:
        given["batch_size"] = str(best.batch_size)
    if best.precision != asked.precision:
        given["precision"] = best.precision
    words = ["luoxia", "train", recipe, "--data", data]
    words += ["--size", str(size)] if size else []
    words += ["--steps", str(steps)] if steps is not None else []
    words += ["--depth", str(depth)] if depth is not None else []
    print(" ".join([*words, *(f"--set {k}={v}" for k, v in given.items())]))


def _compare(costs: list[Cost], best: Cost | None) -> None:
    """What was asked for and its neighbours, a line each."""
    heading = (
        say("batch", "批大小"),
        say("precision", "精度"),
        *([say("pixels", "像素")] if costs[0].size else []),
        say("s a step", "秒/步"),
        say(costs[0].unit.said.en, costs[0].unit.said.zh),
        say("memory", "内存"),
        "",
    )
    rows = []
    for i, cost in enumerate(costs):
        marks = [say("asked for", "所给设置")] * (i == 0) + [say("best", "最佳")] * (cost is best)
        rows.append(
            (
                str(cost.batch_size),
                cost.precision,
                *([str(cost.size)] if cost.size else []),
                f"{cost.step:.3g}",
                f"{cost.per_second:.3g}",
                readable_size(cost.memory),
                "; ".join(marks),
            )
        )
    print_table([heading, *rows])


def _steps(cost: Cost, seconds: int) -> str:
    count = int(seconds / cost.step)
    return say(f"{count} steps", f"{count} 步")


def _span(seconds: float) -> str:
    """Hours, minutes and seconds, and days where there are any."""
    days, rest = divmod(round(seconds), 86_400)
    clock = time.strftime("%H:%M:%S", time.gmtime(rest))
    return f"{days} d {clock}" if days else clock
