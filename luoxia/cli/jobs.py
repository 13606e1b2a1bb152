"""`luoxia jobs`: what is waiting, running and done, stopped or run anew."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Context, Option

from luoxia.cli.history import As_json, opened, printable
from luoxia.cli.words import print_table, say, tell
from luoxia.core.language import Text

if TYPE_CHECKING:
    from luoxia.workspace.jobs import Job, Jobs

app = typer.Typer(rich_markup_mode=None)
STARTS = 30  # seconds that a worker may take to begin
STATES = {
    "waiting": Text("waiting", "等待"),
    "running": Text("running", "进行中"),
    "done": Text("done", "完成"),
    "failed": Text("failed", "失败"),
    "cancelled": Text("cancelled", "已取消"),
}
Id = Annotated[
    str, Argument(metavar="ID", help=say("Of a job; its beginning is enough.", "任务编号，写出开头即可。"))
]


@app.callback(invoke_without_command=True)
def jobs(
    context: Context,
    limit: Annotated[
        int,
        Option(
            "-n", "--limit", metavar="N", min=1, help=say("How many, the newest.", "最多列出最新的几项。")
        ),
    ] = 20,
    as_json: As_json = False,
) -> None:
    if context.invoked_subcommand is not None:
        return
    from luoxia.workspace.worker import at_work

    with _opened() as found:
        listed = found.list(limit)
    if as_json:
        print(json.dumps([asdict(job) for job in listed], ensure_ascii=False, indent=1))
        return
    if not listed:
        tell("there are no jobs", "没有任务")
        return
    heading = (
        say("id", "编号"),
        say("work", "内容"),
        say("state", "状态"),
        say("done", "进度"),
        say("reason", "原因"),
    )
    print_table([heading, *map(_row, listed)])
    waited = (datetime.now(UTC) - timedelta(seconds=STARTS)).isoformat()
    # One that is running without a worker was left by one that was killed.
    if any(job.state in ("waiting", "running") and job.made < waited for job in listed) and not at_work():
        tell(
            "no worker is at work here; `luoxia jobs work` begins one",
            "本机没有工作进程；`luoxia jobs work` 可启动",
        )


@app.command(help=say("Have a job stop, or not begin.", "停止任务，或使其不再开始。"))
def cancel(id: Id) -> None:
    with _opened() as found:
        job = found.cancel(id)
    tell(f"{job.id}: {STATES[job.state].en}", f"{job.id}：{STATES[job.state].zh}")


@app.command(help=say("Run a job anew that failed or was cancelled.", "重新运行失败或已取消的任务。"))
def retry(id: Id) -> None:
    from luoxia.workspace.later import attend

    with _opened() as found:
        job = found.retry(id)
    attend()
    tell(f"{job.id}: {STATES[job.state].en}", f"{job.id}：{STATES[job.state].zh}")


@app.command(help=say("Do jobs, until Ctrl-C.", "处理任务，直到按下 Ctrl-C。"))
def work(
    idle: Annotated[
        float | None,
        Option(metavar="S", min=0, help=say("End after so many seconds without any.", "空闲若干秒后结束。")),
    ] = None,
) -> None:
    import signal

    from luoxia.workspace.jobs import Jobs
    from luoxia.workspace.later import WORKS, attend
    from luoxia.workspace.worker import Worker

    with opened() as workspace:
        worker = Worker(WORKS, workspace)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: worker.stop())
        worker.run(idle)
        with Jobs(workspace) as found:
            left = found.waiting()
    if left and not worker.stopped.is_set():  # asked for while this one was leaving
        attend()


@contextmanager
def _opened() -> Iterator[Jobs]:
    from luoxia.workspace.jobs import Jobs

    with opened() as workspace, Jobs(workspace) as found:
        yield found


def _row(job: Job) -> tuple[str, ...]:
    share = f"{job.done}/{job.total}" if job.total else ""
    return job.id, _work(job), str(STATES[job.state]), share, printable(str(job.error or ""))


def _work(job: Job) -> str:
    """The command that asked for it and the file that it makes, where it is such a job."""
    made_from, path = job.asked.get("made_from"), job.asked.get("path")
    if not (isinstance(made_from, dict) and isinstance(path, str)):
        return printable(job.work)
    return printable(f"{made_from.get('command')}: {Path(path).name}")
