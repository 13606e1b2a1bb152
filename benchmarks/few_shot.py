"""Items a second of few-shot scoring, beside `transformers` scoring the same prompts one by one on the same weights.

    python benchmarks/few_shot.py [--shots 0,4,16] [--items 40] [--rounds 3]

Both score every choice of every item of ``cloze-en`` and tell the likeliest. `transformers` reads the GGUF file unpacked to
bf16, or float32 where the processor has no bf16 products, and computes each prompt with each choice once, as an evaluation loop
without batches does. Luoxia keeps the blocks. Seconds of clock and of processor, medians of the rounds; how often both
choose alike.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

import luoxia
from luoxia.core.runtime import resolve
from luoxia.data import task_catalogue
from luoxia.evaluate.few_shot import Reader
from luoxia.evaluate.token_tree import Request, score
from luoxia.weights import catalogue


def timed(work: Callable[[], list[float]]) -> tuple[float, float, list[float]]:
    clock, processor = time.perf_counter(), time.process_time()
    found = work()
    return time.perf_counter() - clock, time.process_time() - processor, found


@torch.inference_mode()
def one_by_one(network: torch.nn.Module, requests: list[Request]) -> list[float]:
    found = []
    for request in requests:
        ids = torch.tensor([request.context + request.answer])
        logits = network(ids).logits[0, len(request.context) - 1 : -1].float()
        rows = torch.arange(len(request.answer))
        found.append(logits.log_softmax(-1)[rows, torch.tensor(request.answer)].mean().item())
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--shots", default="0,4,16")
    parser.add_argument("--items", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    from transformers import AutoModelForCausalLM

    path = Path(catalogue.verified(catalogue.find(catalogue.DEFAULT_TEXT_MODEL)))
    model = luoxia.load(str(path), threads=torch.get_num_threads())
    theirs = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=resolve().dtype)
    reader = Reader(model.network, model.tokenizer)
    task = task_catalogue.load("cloze-en", limit=given.items, shots=16, seed=0)
    n, rows = len(task.items), []
    for shots in map(int, given.shots.split(",")):
        examples = task.examples(shots, 0, 0)
        requests = [
            request
            for item in task.items
            for request in reader.requests(
                task.prompt(examples, item), [task.template.answer(c) for c in item.choices]
            )
        ]
        times: dict[str, list[tuple[float, float]]] = {"luoxia": [], "transformers": []}
        chosen = {}
        sides: dict[str, Callable[[], list[float]]] = {
            "luoxia": lambda r=requests: [s.total / len(s.logprobs) for s in score(model.network, r)],
            "transformers": lambda r=requests: one_by_one(theirs, r),
        }
        for side, work in sides.items():
            work() if side == "luoxia" else one_by_one(theirs, requests[:4])  # warm-up
        for _ in range(given.rounds):
            for side, work in sides.items():
                clock, processor, found = timed(work)
                times[side].append((clock, processor))
                chosen[side] = np.array(found).reshape(n, -1).argmax(1)
        clocks = {side: statistics.median(c for c, _ in each) for side, each in times.items()}
        processors = {side: statistics.median(p for _, p in each) for side, each in times.items()}
        rows.append(
            {
                "shots": shots,
                "tokens": sum(len(r.context) + len(r.answer) for r in requests),
                **{f"{side}_items_per_second": n / clocks[side] for side in sides},
                "ratio": clocks["transformers"] / clocks["luoxia"],
                "processor_ratio": processors["transformers"] / processors["luoxia"],
                "choose_alike": float((chosen["luoxia"] == chosen["transformers"]).mean()),
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    told = {"torch": torch.__version__, "machine": platform.processor(), "threads": torch.get_num_threads()}
    print(json.dumps({"items": n, "choices": 4, "dtype": str(resolve().dtype), **told, "rows": rows}))


if __name__ == "__main__":
    main()
