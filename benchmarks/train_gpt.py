"""Training a GPT-2 of 10 M weights: our engine beside plain PyTorch in the manner of nanoGPT, and transformers' Trainer.

    python benchmarks/train_gpt.py [--steps 2] [--rounds 3] [--threads 1] [--keep] [--json out.json]

All three have the same weights to begin with, batches, learning rate, fused AdamW, clipping at 1 and bf16 autocast with
float32 weights; ours keeps its average of the weights besides, as its runs do. Each has a process of its own, and they
take turns of ``steps`` steps, the first of which is not counted. Told are tokens a second by the clock and by the
processor's time, which another program on the machine does not lengthen much, and the losses after equal tokens.

Two vocabularies: 16,000, as of a tokenizer trained on a corpus of one's own, and 65, as of nanoGPT's example of letters,
where the head costs nothing. ``--keep`` lets the other two keep the memory that they free too, as our engine does: glibc
gives tensors of more than 32 MB back to the system, which clears each page anew when the next step asks for it.

The text is made of words by lot, so that nothing needs to be fetched; speed does not depend on it.
Needs: pip install "luoxia[bench]".
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import transformers
from torch import Tensor, nn

from luoxia.core.runtime import keep_freed_memory, resolve
from luoxia.data.batches import Batch
from luoxia.data.examples import no_images
from luoxia.models.gpt import GPT, GPTConfig
from luoxia.objectives.language import NextWord
from luoxia.objectives.phase import Phase
from luoxia.train.engine import Engine, Training
from luoxia.train.processes import Processes
from luoxia.train.settings import Settings
from luoxia.weights.huggingface import to_huggingface

RATE, CLIP, BETAS, DECAY = 6e-4, 1.0, (0.9, 0.95), 0.1
CASES = {  # vocabulary, layers, heads, width, rows of 256 tokens
    "16,000 words": (16_000, 8, 4, 256, 32),
    "65 letters": (65, 6, 6, 384, 32),
}
LENGTH = 256


@dataclass
class Took:
    """Seconds of a round's steps by clock and processor, and the losses of all steps so far."""

    clock: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)


Side = Callable[[int], Any]  # takes so many steps more


def config_of(case: str) -> GPTConfig:
    vocabulary, layers, heads, width, _ = CASES[case]
    return GPTConfig(vocabulary, LENGTH, layers, heads, width)


def begun(case: str) -> GPT:
    """The weights that all sides begin with."""
    return GPT(config_of(case), torch.Generator().manual_seed(0))


def text(vocabulary: int, rows: int, steps: int) -> Tensor:
    """(steps, rows, LENGTH + 1) ids, the next of which follows from the one before it half of the time."""
    random = np.random.Generator(np.random.PCG64(1))
    shape = (steps, rows, LENGTH + 1)
    often = np.minimum(random.zipf(1.3, shape) - 1, vocabulary - 1)
    follows = random.permutation(vocabulary)
    for at in range(1, LENGTH + 1):
        known = random.random(shape[:2]) < 0.5
        often[..., at] = np.where(known, follows[often[..., at - 1]], often[..., at])
    return torch.from_numpy(often)


def groups(model: nn.Module) -> list[dict[str, Any]]:
    """Matrices are pulled towards 0, the rest is not."""
    matrices = [m.weight for m in model.modules() if isinstance(m, nn.Linear)]
    pulled = {id(p) for p in matrices}
    rest = [p for p in model.parameters() if id(p) not in pulled]
    return [{"params": matrices, "weight_decay": DECAY}, {"params": rest, "weight_decay": 0.0}]


def ours(case: str, data: Tensor, took: Took) -> Side:
    """The engine with the loss that the recipe gpt has."""
    model, rows = begun(case), data.shape[1]
    flat = data.flatten(0, 1)
    loss = NextWord(
        lambda index: (flat[index, :-1], flat[index, 1:], None),
        lambda ids, documents: model.hidden(ids, documents=documents),
        model.last,
    )
    optimizer = torch.optim.AdamW(groups(model), RATE, betas=BETAS, fused=True)
    training = Training(
        {"gpt": model},
        [Phase("words", model, optimizer, loss)],
        ("gpt",),
        lambda _modules, _generator: torch.empty(0, 3, 1, 1),
        lambda _: {},
        ("bits_per_byte", True),
    )
    parts = max(1, rows * LENGTH // 8_192)
    settings = Settings(batch_size=rows, accumulate=parts, clip=CLIP, learning_rate=RATE, precision="bf16")
    engine = Engine(training, settings, 0, resolve(device="cpu"), Processes())

    def take(steps: int) -> None:
        for _ in range(steps):
            places = np.arange(engine.done * rows, (engine.done + 1) * rows)
            engine.step(Batch(no_images(rows), None, places))
            took.losses.append(engine.take_notes()["nats_per_token"])

    return take


class Norm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, 1e-5)


class PlainBlock(nn.Module):
    """One matrix for queries, keys and values, PyTorch's own attention, and GELU in tanh form."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        c, self.heads = config.n_embd, config.n_head
        self.ln_1, self.ln_2 = Norm(c), Norm(c)
        self.c_attn, self.c_proj = nn.Linear(c, 3 * c), nn.Linear(c, c)
        self.up, self.down = nn.Linear(c, 4 * c), nn.Linear(4 * c, c)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, c = x.shape
        parts = self.c_attn(self.ln_1(x)).split(c, 2)
        q, k, v = (p.view(batch, length, self.heads, -1).transpose(1, 2) for p in parts)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.c_proj(y.transpose(1, 2).contiguous().view(batch, length, c))
        return x + self.down(F.gelu(self.up(self.ln_2(x)), approximate="tanh"))


class Plain(nn.Module):
    """GPT-2 in plain PyTorch, with its loss."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.wpe = nn.Embedding(config.block_size, config.n_embd)
        self.blocks = nn.ModuleList(PlainBlock(config) for _ in range(config.n_layer))
        self.norm = Norm(config.n_embd)

    def forward(self, ids: Tensor, targets: Tensor) -> Tensor:
        x = self.wte(ids) + self.wpe(torch.arange(ids.shape[1], device=ids.device))
        for block in self.blocks:
            x = block(x)
        logits = F.linear(self.norm(x), self.wte.weight)
        return F.cross_entropy(logits.view(-1, logits.shape[-1]), targets.reshape(-1))

    @torch.no_grad()
    def take(self, model: GPT) -> Plain:
        """The weights of our network."""
        theirs = model.state_dict()
        mine = {k: theirs[k] for k in ("wte.weight", "wpe.weight", "norm.weight", "norm.bias")}
        names = {
            "attn_norm": "ln_1",
            "mlp_norm": "ln_2",
            "attn.o": "c_proj",
            "mlp.up": "up",
            "mlp.down": "down",
        }
        for i in range(len(self.blocks)):
            for end in ("weight", "bias"):
                qkv = [theirs[f"blocks.{i}.attn.{part}.{end}"] for part in "qkv"]
                mine[f"blocks.{i}.c_attn.{end}"] = torch.cat(qkv)
                mine |= {f"blocks.{i}.{b}.{end}": theirs[f"blocks.{i}.{a}.{end}"] for a, b in names.items()}
        self.load_state_dict(mine)
        return self


def plain(case: str, data: Tensor, took: Took) -> Side:
    model = Plain(config_of(case)).take(begun(case))
    optimizer = torch.optim.AdamW(groups(model), RATE, betas=BETAS, fused=True)

    def take(steps: int) -> None:
        for _ in range(steps):
            batch = data[len(took.losses)]
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast("cpu", torch.bfloat16):
                loss = model(batch[:, :-1], batch[:, 1:])
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimizer.step()
            took.losses.append(loss.item())

    return take


def trainer(case: str, data: Tensor, took: Took) -> Side:
    """transformers' Trainer, one call of ``train`` a round, its time from the end of its first step to that of its last."""
    tensors, raw = to_huggingface(begun(case))
    config = transformers.GPT2Config(
        **{k: v for k, v in raw.items() if k != "architectures"}, attn_implementation="sdpa"
    )
    config.resid_pdrop = config.embd_pdrop = config.attn_pdrop = 0.0
    model = transformers.GPT2LMHeadModel(config)
    model.load_state_dict(tensors, strict=False)
    model.tie_weights()
    rows = data.shape[1]
    optimizer = torch.optim.AdamW(groups_of_gpt2(model), RATE, betas=BETAS, fused=True)
    folder = tempfile.mkdtemp()

    class Heard(transformers.TrainerCallback):
        def on_train_begin(self, *_: Any, **__: Any) -> None:
            self.began = time.perf_counter(), time.process_time()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            took.clock[-1] = time.perf_counter() - self.began[0]
            took.processor[-1] = time.process_time() - self.began[1]

        def on_log(
            self, _: Any, __: Any, ___: Any, logs: dict[str, float] | None = None, **____: Any
        ) -> None:
            if logs and "loss" in logs:
                took.losses.append(logs["loss"])

    def take(steps: int) -> str:
        first = len(took.losses) * rows
        part = data.flatten(0, 1)[first : first + steps * rows]
        items = [{"input_ids": row[:-1], "shift_labels": row[1:], "labels": row[1:]} for row in part]
        arguments = transformers.TrainingArguments(
            folder,
            per_device_train_batch_size=rows,
            max_steps=steps,
            learning_rate=RATE,
            lr_scheduler_type="constant",
            max_grad_norm=CLIP,
            bf16=True,
            use_cpu=True,
            logging_steps=1,
            logging_nan_inf_filter=False,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            seed=0,
            train_sampling_strategy="sequential",
            remove_unused_columns=False,  # the targets stand where they are predicted
        )
        took.clock.append(0.0)
        took.processor.append(0.0)
        work = transformers.Trainer(
            model, arguments, train_dataset=items, optimizers=(optimizer, None), callbacks=[Heard()]
        )
        work.remove_callback(transformers.PrinterCallback)
        work.train()
        return "timed"

    return take


def groups_of_gpt2(model: nn.Module) -> list[dict[str, Any]]:
    """As :func:`groups`: its matrices are of a class of its own."""
    named = dict(model.named_parameters())
    matrices = [p for name, p in named.items() if p.dim() == 2 and ".h." in name]
    rest = [p for name, p in named.items() if not (p.dim() == 2 and ".h." in name)]
    return [{"params": matrices, "weight_decay": DECAY}, {"params": rest, "weight_decay": 0.0}]


SIDES = {"ours": ours, "plain": plain, "trainer": trainer}


def alone(case: str, name: str, steps: int, keep: bool) -> None:
    """A process of one side: takes a turn for each line that it is sent, and answers with what it took."""
    if keep:
        keep_freed_memory()
    vocabulary, *_, rows = CASES[case]
    took, turns = Took(), int(sys.stdin.readline())
    take = SIDES[name](case, text(vocabulary, rows, steps * turns), took)
    for _ in range(turns):
        sys.stdin.readline()
        clock, processor = time.perf_counter(), time.process_time()
        if take(steps) is None:
            took.clock.append(time.perf_counter() - clock)
            took.processor.append(time.process_time() - processor)
        print(json.dumps([took.clock[-1], took.processor[-1], took.losses]), flush=True)


def measure(case: str, steps: int, rounds: int, threads: int, keep: bool) -> dict[str, Any]:
    took = {name: Took() for name in SIDES}
    common = ["--case", case, "--steps", str(steps), "--threads", str(threads), *(["--keep"] if keep else [])]
    sides = {
        name: subprocess.Popen(
            [sys.executable, __file__, "--alone", name, *common],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in SIDES
    }

    def send(name: str, line: str) -> None:
        file = sides[name].stdin
        assert file is not None
        file.write(f"{line}\n")
        file.flush()

    for name in SIDES:
        send(name, str(rounds + 1))
    for turn in range(rounds + 1):
        for name in sorted(SIDES, reverse=bool(turn % 2)):
            send(name, "go")
            answers = sides[name].stdout
            assert answers is not None
            clock, processor, took[name].losses = json.loads(answers.readline())
            if turn:  # the first warms up
                took[name].clock.append(clock)
                took[name].processor.append(processor)
    for process in sides.values():
        process.wait()
    tokens = steps * CASES[case][-1] * LENGTH
    found: dict[str, Any] = {
        "weights": sum(p.numel() for p in begun(case).parameters()),
        "tokens_a_round": tokens,
    }
    for name, side in took.items():
        by = {"clock": side.clock, "processor": side.processor}
        found[name] = {f"tokens_per_second_by_{k}": tokens / statistics.median(v) for k, v in by.items()}
        found[name] |= {"losses": side.losses, "seconds": by}
    for by in ("clock", "processor"):
        rate = {name: found[name][f"tokens_per_second_by_{by}"] for name in SIDES}
        found[f"ratio_by_{by}"] = rate["ours"] / max(rate["plain"], rate["trainer"])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--case", choices=list(CASES), action="append")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--alone", choices=list(SIDES), help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    transformers.utils.logging.set_verbosity_error()
    if asked.alone:
        return alone(asked.case[0], asked.alone, asked.steps, asked.keep)
    results: dict[str, Any] = {
        "threads": asked.threads,
        "memory_kept_by_all": asked.keep,
        "processor": platform.processor() or platform.machine(),
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
    }
    for case in asked.case or CASES:
        results[case] = found = measure(case, asked.steps, asked.rounds, asked.threads, asked.keep)
        for name in SIDES:
            side = found[name]
            print(
                f"{case}: {name:8} {side['tokens_per_second_by_clock']:7.0f} tokens/s by the clock, "
                f"{side['tokens_per_second_by_processor']:7.0f} by the processor; loss {side['losses'][-1]:.4f}"
            )
        apart = max(abs(math.log(found[n]["losses"][-1] / found["ours"]["losses"][-1])) for n in SIDES)
        print(
            f"{case}: ours over the better of the others {found['ratio_by_clock']:.2f} by the clock, "
            f"{found['ratio_by_processor']:.2f} by the processor; losses within {100 * apart:.2f} %"
        )
    if asked.json:
        asked.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
