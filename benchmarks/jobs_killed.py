"""Workers killed at random moments during a stream of jobs: nothing lost, nothing doubled, nothing half written.

    python benchmarks/jobs_killed.py [--kills 500] [--jobs 300] [--workers 2] [--seconds 3000] [--json FILE]

Each job writes a file in 4 chunks to a neighbour of its place, settles it, and publishes it through
``Workspace.recording``, as every publication goes; each beginning and each rename is a line of a log of its own. Workers are
forked and killed with SIGKILL after a random time, most of them within a job. In the end every job's file is whole and
recorded once, its log has one rename, no unfinished file is left, the chain of records holds, and every job says done.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from luoxia.core.folder import put_in_place, settle
from luoxia.workspace import content, durable, worker
from luoxia.workspace.creation import Creation, now
from luoxia.workspace.history import Workspace
from luoxia.workspace.jobs import Jobs
from luoxia.workspace.made_from import MadeFrom
from luoxia.workspace.worker import Doing, Worker

CHUNKS, CHUNK, PAUSE = 4, 65_536, 0.03
VERSIONS = {"luoxia": "0.1.0"}


def data_of(seed: int) -> bytes:
    return random.Random(seed).randbytes(CHUNKS * CHUNK)


def publish(workspace: Workspace, id: str, asked: Mapping[str, Any], doing: Doing) -> None:
    folder = Path(asked["folder"])
    data, path = data_of(asked["seed"]), folder / f"{asked['seed']}.bin"
    unfinished = path.with_suffix(f".{id}.part")
    note(folder, f"begin {id}")
    with unfinished.open("wb") as file:
        for i in range(CHUNKS):
            doing(i, CHUNKS)
            file.write(data[i * CHUNK : (i + 1) * CHUNK])
            time.sleep(PAUSE)
        settle(file)
    doing(CHUNKS, CHUNKS)
    made = Creation(
        id, now(), MadeFrom("document", "bench", versions=VERSIONS), content.digest(data), hashlib.sha256(data).hexdigest(),
        str(path),
    )  # fmt: skip
    with workspace.recording(made, unfinished):
        time.sleep(PAUSE * random.random() / 4)  # where a crash would hurt
        put_in_place(unfinished, path)
        note(folder, f"rename {id}")
        time.sleep(PAUSE * random.random() / 4)


def note(folder: Path, line: str) -> None:
    with (folder / "log").open("a") as log:
        log.write(line + "\n")


def forked() -> int:
    """The process of a fresh worker."""
    pid = os.fork()
    if pid:
        return pid
    os.setsid()
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    random.seed()
    try:
        Worker({"publish": publish}).run()
    except BaseException as error:
        print(f"a worker failed: {type(error).__name__}: {error}", file=sys.stderr)
    finally:
        os._exit(1)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--jobs", type=int, default=300)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=3000.0, help="no more kills after that")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="jobs-killed-"))
    os.environ["LUOXIA_HOME"] = str(home)
    out = home / "out"
    out.mkdir()
    worker.DEATHS = given.kills + 1  # here every death is ours
    durable.POLL_SECONDS = worker.LOOK_SECONDS = 0.2
    rng = random.Random(given.seed)
    with Workspace() as workspace, Jobs(workspace) as jobs:
        for i in range(given.jobs):
            jobs.add(
                "publish", {"seed": i, "folder": str(out)}, heavy=i % 3 == 0, priority=rng.randint(1, 1_000)
            )
    began, kills, within = time.monotonic(), 0, 0
    living: dict[int, float] = {}
    while True:
        for _ in range(given.workers - len(living)):
            living[forked()] = time.monotonic() + rng.uniform(0.8, 6.0)
        time.sleep(0.05)
        more = kills < given.kills and time.monotonic() < began + given.seconds
        for pid, end in list(living.items()):
            if more and time.monotonic() > end:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                del living[pid]
                kills += 1
                if kills % 25 == 0:
                    print(
                        f"{kills} kills, {len(list(out.glob('*.bin')))} files, {time.monotonic() - began:.0f} s",
                        flush=True,
                    )
            elif os.waitpid(pid, os.WNOHANG)[0]:
                raise SystemExit("a worker ended by itself")
        within = len(list(out.glob("*.bin")))
        if within == given.jobs and not more:
            break
        if within == given.jobs:  # a new stream, for as long as kills are left
            with Workspace() as workspace, Jobs(workspace) as jobs:
                for i in range(given.jobs, given.jobs + 50):
                    jobs.add(
                        "publish",
                        {"seed": i, "folder": str(out)},
                        heavy=i % 3 == 0,
                        priority=rng.randint(1, 1_000),
                    )
            given.jobs += 50
    time.sleep(2)
    for pid in living:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    found = judged(out, given.jobs) | {
        "kills": kills,
        "jobs": given.jobs,
        "seconds": round(time.monotonic() - began),
    }
    print(json.dumps(found, indent=1))
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n")
    wrong = [
        name
        for name in ("lost", "doubled", "half written", "unrecorded", "not done", "left over")
        if found[name]
    ]
    raise SystemExit(f"not held: {', '.join(wrong)}" if wrong or found["chain"] != "holds" else 0)


def judged(out: Path, count: int) -> dict[str, Any]:
    lines = (out / "log").read_text().split("\n")
    renames = Counter(line for line in lines if line.startswith("rename"))
    begins = Counter(line for line in lines if line.startswith("begin"))
    with Workspace() as workspace, Jobs(workspace) as jobs:
        listed = jobs.list(100_000) if count <= 1_000 else []
        checked = workspace.check()
        files = {i: out / f"{i}.bin" for i in range(count)}
        return {
            "lost": sum(not path.exists() for path in files.values()),
            "half written": sum(p.exists() and p.read_bytes() != data_of(i) for i, p in files.items()),
            "doubled": sum(n - 1 for n in renames.values()) + max(0, checked.count - count),
            "unrecorded": sum(
                p.exists() and workspace.by_file(hashlib.sha256(p.read_bytes()).hexdigest()) is None
                for p in files.values()
            ),
            "left over": len(list(out.glob("*.part"))),
            "not done": sum(job.state != "done" for job in listed),
            "jobs asked for": len(listed),
            "chain": "holds" if checked.fault is None else f"{checked.at}: {checked.fault}",
            "begun anew": sum(n - 1 for n in begins.values()),
        }


if __name__ == "__main__":
    main()
