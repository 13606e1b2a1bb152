"""`luoxia plan`: what a training will cost on this machine, before it is begun."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from luoxia.cli.train import pair
from luoxia.cli.words import print_table, say, tell
from luoxia.core.progress import readable_size

HOUR, NIGHT = 3_600, 8 * 3_600


def plan(
    recipe: Annotated[str, Argument(help=say("As for `luoxia train`.", "同 `luoxia train`。"))],
    data: Annotated[str, Option(metavar="DATA", help=say("As for `luoxia train`.", "同 `luoxia train`。"))],
    size: Annotated[
        int | None, Option(metavar="PIXELS", help=say("Side of the pictures.", "图片边长（像素）。"))
    ] = None,
    steps: Annotated[int | None, Option(metavar="N", help=say("Steps in all.", "总步数。"))] = None,
    set_: Annotated[
        list[str] | None,
        Option(
            "--set",
            metavar="NAME=VALUE",
            help=say("Change a setting of the recipe; several times.", "更改配方的一项设置；可多次给出。"),
        ),
    ] = None,
    device: Annotated[
        str | None, Option(metavar="DEVICE", help=say("cpu, cuda or mps.", "cpu、cuda 或 mps。"))
    ] = None,
    threads: Annotated[
        int | None, Option(metavar="N", help=say("Processor threads to use.", "使用的处理器线程数。"))
    ] = None,
) -> None:
    from luoxia.core.runtime import resolve
    from luoxia.recipes import catalogue, plan
    from luoxia.train.settings import changed

    changes: dict[str, object] = dict(pair(text) for text in set_ or [])
    if steps is not None:
        changes["steps"] = steps
    settings = changed(catalogue.find(recipe).settings, changes)
    free, disk = plan.free_memory(resolve(device=device).device), plan.free_disk(Path("runs"))

    def note(what: str) -> None:
        tell(f"Measuring {what} …", f"正在测量 {what} …")

    costs = list(
        plan.plans(recipe, data, size=size, changes=changes, device=device, threads=threads, note=note)
    )
    asked = costs[0]
    print_table(
        [
            (say("weights", "权重"), f"{asked.weights / 1e6:.2f} M"),
            (say("memory at its peak", "内存峰值"), f"{readable_size(asked.memory)} / {readable_size(free)}"),
            (say("disk", "磁盘"), f"{readable_size(asked.disk())} / {readable_size(disk)}"),
            (say("a sample sheet", "样本图"), f"{asked.draw:.1f} s"),
            (say("scores of a checkpoint", "检查点评分"), f"{asked.score:.1f} s"),
            (say("all steps", "全部步数"), f"{settings.steps}: {_span(asked.seconds(settings))}"),
            (say("in an hour", "一小时"), say(f"{_steps(asked, HOUR)} steps", f"{_steps(asked, HOUR)} 步")),
            (
                say("in a night", "一夜（8 小时）"),
                say(f"{_steps(asked, NIGHT)} steps", f"{_steps(asked, NIGHT)} 步"),
            ),
        ]
    )
    print()
    heading = (
        say("batch", "批大小"),
        say("precision", "精度"),
        say("pixels", "像素"),
        say("s a step", "秒/步"),
        say("images/s", "张/秒"),
        say("memory", "内存"),
        "",
    )
    best = plan.recommended(costs, free)
    rows = [
        (
            str(c.batch_size),
            c.precision,
            str(c.size),
            f"{c.step:.3g}",
            f"{c.images_per_second:.3g}",
            readable_size(c.memory),
            "; ".join(
                filter(
                    None,
                    [
                        say("asked for", "所给设置") if c is asked else "",
                        say("best", "最佳") if c is best else "",
                    ],
                )
            ),
        )
        for c in costs
    ]
    print_table([heading, *rows])
    print()
    if best is None:
        tell(
            "None of these fits into the free memory: give a smaller batch_size, width or --size.",
            "以上均超出可用内存：请减小 batch_size、width 或 --size。",
        )
        return
    given = dict(pair(text) for text in set_ or [])
    if best.batch_size != asked.batch_size:
        given["batch_size"] = str(best.batch_size)
    if best.precision != asked.precision:
        given["precision"] = best.precision
    words = ["luoxia", "train", recipe, "--data", data]
    words += ["--size", str(size)] if size else []
    words += ["--steps", str(steps)] if steps is not None else []
    print(" ".join([*words, *(f"--set {k}={v}" for k, v in given.items())]))


def _steps(cost, seconds: int) -> int:
    return int(seconds / cost.step)


def _span(seconds: float) -> str:
    """Hours, minutes and seconds, and days where there are any."""
    days, rest = divmod(round(seconds), 86_400)
    clock = time.strftime("%H:%M:%S", time.gmtime(rest))
    return f"{days} d {clock}" if days else clock
