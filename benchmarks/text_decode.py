"""Text generation on a CPU: Luoxia beside llama.cpp and transformers, on the same file, in one run.

    python benchmarks/text_decode.py [MODEL.gguf] [--rounds 3] [--threads 2] [--json out.json]

Every side runs in a process of its own, the sides in turn, round after round; medians over rounds. Prompts are the
same token ids for all. ``decode`` is greedy tokens a second behind a context of that many tokens, sampling included;
``prefill`` is prompt tokens a second for 512; ``first`` is milliseconds from a prompt of 128 tokens to its first new
token; ``ready`` is seconds from the call that loads (imports included) until the first token of a short prompt.
``memory`` is the peak resident size after a generation behind 2,048 tokens.
Needs: pip install "luoxia[bench]".
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

CONTEXTS = (128, 512, 2048)
NEW = 48
SIDES = ("luoxia", "llama.cpp", "transformers")


def prompt(length: int) -> list[int]:
    """Token ids that no side has seen before and that no cache can shorten."""
    return [(i * 7919) % 40_000 + 100 for i in range(length)]


def run_luoxia(path: str, threads: int) -> dict:
    began = time.perf_counter()
    import luoxia

    model = luoxia.load(path, threads=threads)
    model.tokenizer = replace(
        model.tokenizer, stop_ids=frozenset()
    )  # every side writes exactly as many tokens
    next(iter(model.stream_ids(prompt(8), max_new_tokens=1, temperature=0)), None)
    ready = time.perf_counter() - began

    def generate(length: int, new: int) -> tuple[float, float]:
        stream = model.stream_ids(prompt(length), max_new_tokens=new, temperature=0)
        stream.text()
        return stream.first_token_seconds, stream.tokens_per_second

    return measure(generate, ready)


def run_llama(path: str, threads: int) -> dict:
    began = time.perf_counter()
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = path
    params.n_ctx = 2048 + 2 * NEW
    params.n_parallel = 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    server = xllamacpp.Server(params)

    def generate(length: int, new: int) -> tuple[float, float]:
        body = {
            "prompt": prompt(length),
            "n_predict": new,
            "temperature": 0,
            "cache_prompt": False,
            "ignore_eos": True,
        }
        answer = server.handle_completions(body)
        timings = (json.loads(answer) if isinstance(answer, str | bytes) else answer)["timings"]
        return timings["prompt_ms"] / 1000, timings["predicted_per_second"]

    generate(8, 1)
    return measure(generate, time.perf_counter() - began)


def run_transformers(path: str, threads: int) -> dict:
    began = time.perf_counter()
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(threads)
    file = Path(path)
    model = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32).eval()

    @torch.inference_mode()
    def generate(length: int, new: int) -> tuple[float, float]:
        begin = time.perf_counter()
        out = model(torch.tensor([prompt(length)]), use_cache=True, logits_to_keep=1)
        token = out.logits[:, -1].argmax(-1, keepdim=True)
        first = time.perf_counter()
        for _ in range(new - 1):
            out = model(token, past_key_values=out.past_key_values, use_cache=True)
            token = out.logits[:, -1].argmax(-1, keepdim=True)
        spent = time.perf_counter() - first
        return first - begin, (new - 1) / spent if new > 1 else 0.0

    generate(8, 1)
    return measure(generate, time.perf_counter() - began)


def measure(generate, ready: float) -> dict:
    generate(64, 8)  # warm-up, discarded
    figures = {"ready": ready}
    for length in CONTEXTS:
        figures[f"decode {length}"] = statistics.median(generate(length, NEW)[1] for _ in range(2))
    figures["prefill 512"] = 512 / statistics.median(generate(512, 1)[0] for _ in range(3))
    figures["first 128"] = 1000 * statistics.median(generate(128, 1)[0] for _ in range(3))
    figures["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return figures


RUNS = {"luoxia": run_luoxia, "llama.cpp": run_llama, "transformers": run_transformers}
UNITS = {"ready": "s", "memory": "MB", "first 128": "ms"}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", nargs="?")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.model is None:
        from luoxia.weights import catalogue

        options.model = str(catalogue.verified(catalogue.find(catalogue.DEFAULT_TEXT_MODEL)))
    if options.one:
        print(json.dumps(RUNS[options.one](options.model, options.threads)))
        return
    rounds: dict[str, list[dict]] = {side: [] for side in options.sides}
    for _ in range(options.rounds):
        for side in options.sides:
            command = [
                sys.executable,
                __file__,
                options.model,
                "--threads",
                str(options.threads),
                "--one",
                side,
            ]
            done = subprocess.run(
                command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            rounds[side].append(json.loads(done.stdout.strip().splitlines()[-1]))
    report(rounds, options)


def report(rounds: dict[str, list[dict]], options: argparse.Namespace) -> None:
    import torch

    medians = {s: {k: statistics.median(r[k] for r in runs) for k in runs[0]} for s, runs in rounds.items()}
    mine = medians.get("luoxia")
    print("| | " + " | ".join(medians) + " |\n|---" * 1 + "|---" * len(medians) + "|")
    for key in next(iter(medians.values())):
        cells = []
        for side, values in medians.items():
            ratio = ""
            if mine and side != "luoxia":
                less = key in UNITS
                ratio = f" ({(values[key] / mine[key]) if less else (mine[key] / values[key]):.2f}x)"
            cells.append(f"{values[key]:.{1 if key == 'ready' else 0}f}{ratio}")
        print(f"| {key} ({UNITS.get(key, 'tokens/s')}) | " + " | ".join(cells) + " |")
    print("\n(in brackets: how many times better Luoxia is)")
    if options.json:
        about = {
            "machine": platform.processor() or platform.machine(),
            "threads": options.threads,
            "torch": torch.__version__,
        }
        options.json.write_text(
            json.dumps({"about": about, "medians": medians, "rounds": rounds}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
