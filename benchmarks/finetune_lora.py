"""LoRA on SmolLM2-135M: tokens a second and peak memory beside peft with transformers, in one run.

    python benchmarks/finetune_lora.py [--rounds 3] [--threads 1] [--json out.json]

All sides begin with the same GGUF file, which Luoxia trains through as it lies, in 4 bits, and transformers unpacks to bf16; all
have rank 16 beside every linear layer of the blocks, products in bf16, fused AdamW, gradients bound to a norm of 1, and no
checkpointing. Two cases:

    rows   rows of 512 tokens, each one text, the second half learned: the same work for all, and the same first loss
    pairs  48 examples of 60 to 250 tokens, answers learned: Luoxia packs them, transformers is given batches of two, padded,
           sorted by length, which spares it most of the padding

``peft`` keeps its maps in bf16, ``peft float32`` as its own default has them, in float32 under autocast. A step is four rows, or 8
examples, in parts of one row, or of two examples. Speed is in tokens that are no padding, by the clock and by processor time, which other
programs disturb less; medians over steps, the first left out. A side runs in a process of its own, whose peak is its memory.

Needs: pip install "luoxia[bench]".
"""

from __future__ import annotations

import argparse
import contextlib
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

WIDTH, ROWS, STEPS = 512, 4, 4
SIDES = ("luoxia", "peft", "peft float32")
CASES = ("rows", "pairs")
RANK, ALPHA, RATE = 16, 32.0, 1e-4


def texts(case: str) -> list[tuple[list[int], int]]:
    """Token ids of each example, and how many of them are read only."""
    random = np.random.Generator(np.random.PCG64(0))
    if case == "rows":
        return [(random.integers(100, 40_000, WIDTH).tolist(), WIDTH // 2) for _ in range(ROWS * STEPS)]
    sizes = random.integers(60, 250, 48)
    return [(random.integers(100, 40_000, n).tolist(), int(n * 0.4)) for n in sizes]


def luoxia_side(case: str, threads: int) -> tuple[Callable[[int], tuple[float, int]], int]:
    from luoxia.core.runtime import resolve
    from luoxia.data.batches import Batch
    from luoxia.data.lessons import UNTOLD, Lesson, LessonRows, pack
    from luoxia.recipes import finetune
    from luoxia.recipes.finetune_dial import FinetuneSettings
    from luoxia.train.engine import Engine
    from luoxia.train.processes import Processes

    lessons = []
    for ids, read in texts(case):
        taken = np.asarray(ids, np.int32)
        targets = np.append(taken[1:], UNTOLD).astype(np.int32)
        targets[: read - 1] = UNTOLD
        lessons.append(Lesson(taken, targets))
    plan = pack([len(one.ids) for one in lessons], WIDTH)
    rows = (
        np.zeros((len(plan), WIDTH), np.int32),
        np.full((len(plan), WIDTH), UNTOLD, np.int32),
        np.full((len(plan), WIDTH), -1, np.int32),
    )
    for row, members in enumerate(plan):
        at = 0
        for number, i in enumerate(members):
            here = slice(at, at + len(lessons[i].ids))
            rows[0][row, here], rows[1][row, here], rows[2][row, here] = (
                lessons[i].ids,
                lessons[i].targets,
                number,
            )
            at = here.stop
    held = LessonRows("benchmark", *rows, 0, (), len(lessons), (), "")
    settings = FinetuneSettings(
        steps=100, batch_size=ROWS, accumulate=ROWS, learning_rate=RATE, log_every=1, sample_every=100,
        checkpoint_every=100, rank=RANK, alpha=ALPHA, cosine=False,
    )  # fmt: skip
    training = finetune.build(settings, held, 0)
    engine = Engine(training, settings, 0, resolve(device="cpu", threads=threads), Processes())

    def step(number: int) -> tuple[float, int]:
        batch = Batch.of(held, (np.arange(ROWS) + number * ROWS) % len(plan))
        engine.step(batch)
        return engine.take_notes()["nats_per_token"], held.tokens(batch.index)

    return step, sum(p.numel() for p in training.modules["adapter"].parameters())


def peft_side(case: str, exact: bool) -> tuple[Callable[[int], tuple[float, int]], int]:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    from luoxia.weights import catalogue

    path = catalogue.verified(catalogue.find(catalogue.DEFAULT_TEXT_MODEL))
    model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.bfloat16)
    config = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(model, config, autocast_adapter_dtype=exact)
    model.config.use_cache = False
    model.train()
    moving = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(moving, RATE, betas=(0.9, 0.99), weight_decay=0.0, fused=True)
    given = texts(case)
    each, parts = (1, ROWS) if case == "rows" else (2, 4)
    order = (
        list(range(len(given)))
        if case == "rows"
        else sorted(range(len(given)), key=lambda i: len(given[i][0]))
    )
    groups = [order[i : i + each] for i in range(0, len(order), each)]

    def batch(members: list[int]) -> dict[str, torch.Tensor]:
        width = max(len(given[i][0]) for i in members)
        ids, seen = (
            torch.zeros(len(members), width, dtype=torch.int64),
            torch.zeros(len(members), width, dtype=torch.int64),
        )
        labels = torch.full_like(ids, -100)
        for row, i in enumerate(members):
            tokens, read = given[i]
            ids[row, : len(tokens)], seen[row, : len(tokens)] = torch.tensor(tokens), 1
            labels[row, read : len(tokens)] = torch.tensor(tokens[read:])
        return {"input_ids": ids, "labels": labels} | ({"attention_mask": seen} if len(members) > 1 else {})

    def step(number: int) -> tuple[float, int]:
        total, tokens = 0.0, 0
        optimizer.zero_grad(set_to_none=True)
        for part in range(parts):
            given_now = batch(groups[(number * parts + part) % len(groups)])
            with torch.autocast("cpu", torch.bfloat16) if exact else contextlib.nullcontext():
                loss = model(**given_now).loss / parts
            loss.backward()
            total += loss.item()
            tokens += (
                int(given_now["attention_mask"].sum()) if case == "pairs" else given_now["input_ids"].numel()
            )
        torch.nn.utils.clip_grad_norm_(moving, 1.0)
        optimizer.step()
        return total, tokens

    return step, sum(p.numel() for p in moving)


def one(side: str, case: str, threads: int) -> dict[str, float]:
    torch.set_num_threads(threads)
    step, weights = (
        luoxia_side(case, threads) if side == "luoxia" else peft_side(case, side == "peft float32")
    )
    clock, processor, losses = [], [], []
    for number in range(STEPS):
        began, spent = time.perf_counter(), time.process_time()
        loss, tokens = step(number)
        clock.append(tokens / (time.perf_counter() - began))
        processor.append(tokens / (time.process_time() - spent))
        losses.append(loss)
    status = Path("/proc/self/status").read_text()
    return {
        "tokens_per_second": statistics.median(clock[1:]),
        "tokens_per_processor_second": statistics.median(processor[1:]),
        "peak_mb": int(status.partition("VmHWM:")[2].split()[0]) / 1024,
        "first_loss": losses[0],
        "weights": weights,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--case", choices=CASES, action="append")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(*options.one, options.threads)))
        return
    report: dict = {
        "about": {
            "machine": platform.processor() or platform.machine(),
            "torch": torch.__version__,
            "threads": options.threads,
        }
    }
    for case in options.case or CASES:
        found: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
        for _ in range(options.rounds):
            for side in SIDES:
                command = [sys.executable, __file__, "--threads", str(options.threads), "--one", side, case]
                done = subprocess.run(
                    command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
                )
                found[side].append(json.loads(done.stdout.strip().splitlines()[-1]))
        middle = {
            side: {k: statistics.median(r[k] for r in rounds) for k in rounds[0]}
            for side, rounds in found.items()
        }
        best = max(middle[side]["tokens_per_processor_second"] for side in SIDES[1:])
        ratio = middle["luoxia"]["tokens_per_processor_second"] / best
        report[case] = {"medians": middle, "rounds": found, "ratio": ratio}
        for side, values in middle.items():
            print(case, side, {k: round(v, 3) for k, v in values.items()}, flush=True)
        print(f"{case}: {ratio:.2f} times the better of the two", flush=True)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
