"""What it costs to judge a prompt, and how often the judge refuses what nobody wrote for it.

    python benchmarks/prompt_judge.py [--rounds 200] [--show 3] [--json out.json]

``open`` is the weights' file checked and read, ``words`` a prompt of 100 words or of 100 Chinese characters; milliseconds of
processor time, medians over rounds, the first discarded. Then, of texts that lie in the repository, the percentage refused
at the usual thresholds: prompts of the evaluation's tasks, themes of verse, names of icons, lines of the guides, strings of
the studio. ``--show`` prints the texts of each that came nearest to it, with class and score.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from luoxia.provenance import prompt_judge
from luoxia.provenance.policy import THRESHOLDS

ROOT = Path(__file__).resolve().parents[1]
ENGLISH = "a lighthouse on a cliff above the sea in the evening with a small boat and many birds around it "
CHINESE = "傍晚的海边悬崖上有一座灯塔，还有一只小船和许多海鸟围着它飞"
QUOTED = re.compile(r"[\"`'“]([^\"`'”\n]{4,300})[\"`'”]")


def milliseconds(act: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds + 1):
        start = time.process_time()
        act()
        times.append(1000 * (time.process_time() - start))
    return round(statistics.median(times[1:]), 3)


def speed(rounds: int) -> dict[str, float]:
    def opening() -> None:
        prompt_judge.opened.cache_clear()
        prompt_judge.opened()

    judge = prompt_judge.opened()
    english, chinese = " ".join((ENGLISH * 6).split()[:100]), (CHINESE * 4)[:100]
    return {
        "open": milliseconds(opening, 5),
        "100 words": milliseconds(lambda: judge.judge(english), rounds),
        "100 characters": milliseconds(lambda: judge.judge(chinese), rounds),
    }


def corpora() -> dict[str, list[str]]:
    def lines(*patterns: str) -> Iterator[str]:
        for path in (path for pattern in patterns for path in sorted(ROOT.glob(pattern))):
            yield from path.read_text(encoding="utf-8").splitlines()

    tasks = (value for line in lines("luoxia/data/tasks/*.jsonl") for value in json.loads(line).values())
    return {
        "prompts of tasks": [value for value in tasks if isinstance(value, str) and len(value) > 8],
        "themes of verse": [line.split("\t")[0] for line in lines("luoxia/data/verse/lexicon.tsv")],
        "names of icons": [
            name for line in lines("luoxia/data/icon_*names.py") if "|" in line for name in line.split("|")[1:]
        ],
        "lines of guides": [line for line in lines("docs/*.md", "README*.md") if len(line) > 3],
        "strings of the studio": QUOTED.findall("\n".join(lines("studio/src/**/*.ts", "studio/src/**/*.svelte"))),
    }  # fmt: skip


def refused(texts: list[str], show: int) -> dict[str, float]:
    """Percentage refused, and how many texts there were, 3,000 at most."""
    texts = list(dict.fromkeys(text.strip() for text in texts if text.strip()))
    texts = [texts[i] for i in np.random.default_rng(0).permutation(len(texts))[:3000]]
    judge = prompt_judge.opened()
    told = [
        max((score - THRESHOLDS[name], score, name) for name, score in judge.judge(text).items())
        for text in texts
    ]
    for over, score, name in sorted(told, reverse=True)[:show]:
        print(f"    {score:.2f} {name}: {texts[told.index((over, score, name))][:100]}")
    return {"refused": round(100 * sum(over >= 0 for over, _, _ in told) / len(texts), 2), "of": len(texts)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description="What it costs to judge a prompt, and how often the judge refuses."
    )
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--show", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results: dict[str, object] = {"milliseconds": speed(options.rounds)}
    print("milliseconds", results["milliseconds"])
    for name, texts in corpora().items():
        results[name] = refused(texts, options.show)
        print(f"{name}: {results[name]}")
    if options.json:
        told = results | {"python": platform.python_version(), "numpy": np.__version__}
        options.json.write_text(json.dumps(told, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
