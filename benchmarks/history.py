"""100,000 creations searched: each kind of search in under 50 ms, at the median and at its slowest.

    python benchmarks/history.py [--count 100000] [--json FILE]

Prompts are made of words in Chinese and English, 60 to 300 characters, a tenth with a text of 1,000 characters beside.
A search goes through the same call as `luoxia history --search`, rows and all. Times are of the processor.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

from luoxia.workspace import content, database
from luoxia.workspace.creation import Creation, now
from luoxia.workspace.history import Workspace
from luoxia.workspace.made_from import DatasetUsed, MadeFrom, ModelUsed, here

CHINESE = (
    "春风又绿江南岸明月何时照我还一行白鹭上青天窗含西岭千秋雪门泊东吴万里船孤帆远影碧空尽唯见长江天际流山重水复疑无路柳暗花明又一村"
    "大漠孤烟直长河落日圆接天莲叶无穷碧映日荷花别样红海上生明月天涯共此时会当凌绝顶一览众山小黄河之水天上来奔流到海不复回"
)
ENGLISH = [
    "a",
    "an",
    "the",
    "of",
    "in",
    "on",
    "with",
    "under",
    "over",
    "red",
    "green",
    "blue",
    "grey",
    "small",
    "large",
    "quiet",
    "bright",
    "river",
    "mountain",
    "temple",
    "harbour",
    "lantern",
    "street",
    "kitchen",
    "portrait",
    "logo",
    "poster",
    "flat",
    "cartoon",
    "outline",
    "watercolour",
    "morning",
    "evening",
    "winter",
    "summer",
    "old",
    "new",
    "paper",
    "glass",
]
SEARCHES = {
    "no words": {},
    "one kind": {"kind": "picture"},
    "Chinese, 2 characters, common": {"search": "孤帆"},
    "Chinese, 2 characters, in 3": {"search": "孤鹜"},
    "Chinese, 2 characters, nowhere": {"search": "蟋蟀"},
    "Chinese, 1 character, nowhere": {"search": "龘"},
    "Chinese, 4 characters, in 3": {"search": "落霞孤鹜"},
    "Chinese, 4 characters, nowhere": {"search": "秋水长天"},
    "Chinese, 2 words of 2, nowhere": {"search": "孤鹜 蟋蟀"},
    "English, common": {"search": "lantern"},
    "English, in 3": {"search": "heron"},
    "English, nowhere": {"search": "zeppelin"},
    "English, 2 common words": {"search": "lantern harbour"},
    "English, 2 letters, nowhere": {"search": "zq"},
    "a common word of one kind": {"search": "lantern", "kind": "film"},
    "a model's name": {"search": "smollm2-135m-instruct"},
}
MODELS = (
    ModelUsed("smollm2-135m-instruct", "b1" * 32, "Apache-2.0", "writes"),
    ModelUsed(
        "faces-64",
        "d0" * 32,
        "Apache-2.0",
        "draws",
        datasets=(DatasetUsed("synthetic portraits", "CC0-1.0"),),
    ),
)
KINDS = (("text", "write", 0), ("picture", "draw", 1), ("picture", "face", 1), ("film", "face", 1))


def prompt(rng: random.Random) -> str:
    if rng.random() < 0.5:
        at = [rng.randrange(len(CHINESE) - 14) for _ in range(rng.randint(5, 20))]
        return "，".join(CHINESE[i : i + rng.randint(5, 14)] for i in at)
    return " ".join(rng.choices(ENGLISH, k=rng.randint(10, 50)))


def fill(workspace: Workspace, count: int) -> None:
    rng, versions = random.Random(0), here()
    special = {count // 4, count // 2, 3 * count // 4}
    for start in range(0, count, 1_000):
        with database.writing(workspace.engine) as connection:
            for i in range(start, min(start + 1_000, count)):
                kind, command, model = rng.choice(KINDS) if i % 50 else KINDS[3]
                words = prompt(rng) + (" 落霞孤鹜 heron" if i in special else "")
                made = MadeFrom(kind, command, (MODELS[model],), prompt=words, seed=i, versions=versions)
                text = (
                    " ".join(prompt(rng) for _ in range(6))[:1_000] if kind == "text" and i % 3 == 0 else ""
                )
                creation = Creation(
                    workspace.new_id(),
                    now(),
                    made,
                    content.digest(words),
                    path=f"/home/me/pictures/{i}.png",
                    sketch=text,
                )
                workspace._insert(connection, creation, creation.to_json())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--folder", type=Path, help="keep the database there, or take the one that is there")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp())
    os.environ["LUOXIA_HOME"] = str(folder)
    found: dict[str, object] = {
        "count": given.count,
        "sqlite": sqlite3.sqlite_version,
        "machine": platform.machine(),
    }
    with Workspace() as workspace:
        began = time.process_time()
        if not workspace.list(limit=1):
            fill(workspace, given.count)
            found["seconds to record each"] = (time.process_time() - began) / given.count
        began = time.process_time()
        checked = workspace.check()
        assert checked.fault is None, checked
        found["seconds to check the chain"] = round(time.process_time() - began, 2)
        rows = {}
        for name, asked in SEARCHES.items():
            spent = []
            for _ in range(given.rounds + 1):
                began = time.process_time()
                hits = len(workspace.list(**asked))  # type: ignore[arg-type]
                spent.append((time.process_time() - began) * 1e3)
            rows[name] = {
                "hits": hits,
                "median ms": statistics.median(spent[1:]),
                "slowest ms": max(spent[1:]),
            }
            print(
                f"{name:34} {hits:3} hits  {rows[name]['median ms']:7.2f} ms  slowest {rows[name]['slowest ms']:7.2f}"
            )
        found["searches"] = rows
    print({k: v for k, v in found.items() if k != "searches"})
    found["database MB"] = round(sum(p.stat().st_size for p in folder.glob("workspace.db*")) / 1e6)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
