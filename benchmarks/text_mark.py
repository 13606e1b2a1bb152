"""How surely the mark in texts is found, and what it costs: SmolLM2-135M-Instruct as `luoxia write` samples, with and without.

    python benchmarks/text_mark.py [ROUNDS] [RESULTS.json]
    python benchmarks/text_mark.py human FILE...

A round is 16 prompts of 220 tokens at each setting, about two minutes a setting on one busy core. Of each text that has
200 tokens, the first 200 are read as `luoxia verify` reads them: whole, with a tenth of the words dropped, and the first
half alone. Perplexity is the model's own, before any knob, of what was drawn; distinct-n the share of n-grams of words
that are not repeated, within a text and over all texts of a prompt.

``human`` reads texts that nobody marked, by lines of JSON or plain, in pieces of 200 tokens: how many read as marked at
each chance, beside how many the chance allows.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import luoxia
from luoxia.core import seeds
from luoxia.generate.decoding import BatchDecoding
from luoxia.generate.sampling import Chooser, Sampling
from luoxia.generate.text import TextModel
from luoxia.models.text_mark import read

PROMPTS = (
    "Write a short story about a heron who lives by a lake.",
    "Explain how rainbows form to a ten year old.",
    "Describe a typical morning in a fishing village.",
    "Write a letter to a friend about moving to a new city.",
    "What are the advantages and disadvantages of working from home?",
    "Tell me about the history of tea.",
    "Write an essay about why people should read more books.",
    "Explain how a bicycle stays upright.",
    "Write a product description for a solar powered lamp.",
    "Describe the water cycle in detail.",
    "Give advice to someone preparing for a job interview.",
    "Write a speech for a school graduation.",
    "Explain the difference between weather and climate.",
    "Write a dialogue between a cat and a dog about dinner.",
    "How do I grow tomatoes on a balcony?",
    "Describe a city of the future.",
)
SETTINGS = ((0.3, False), (0.3, True), (0.65, False), (0.65, True))
NEW, LENGTH, SURE = 220, 200, 1e-6


def written(model: TextModel, sampling: Sampling, seed: int) -> tuple[list[str], list[float], float]:
    """A text for each prompt, each token's negative log-likelihood, and the processor time in choosing, a token."""
    prompts = [model.tokenizer.chat([{"role": "user", "content": prompt}]) for prompt in PROMPTS]
    decoding = BatchDecoding(model.network, prompts, NEW)
    choose = [Chooser(sampling, seeds.generator(seed, i)) for i in range(len(prompts))]
    rows, seen = [[] for _ in prompts], [list(prompt) for prompt in prompts]
    over, losses, spent = [False] * len(prompts), [], 0.0
    logits = decoding.prefill()
    for _ in range(NEW):
        tokens = []
        for i, row in enumerate(rows):
            if over[i]:
                tokens.append(0)
                continue
            began = time.process_time()
            token = choose[i](logits[i], seen[i])
            spent += time.process_time() - began
            wide = logits[i].astype(np.float64)
            losses.append(float(np.log(np.exp(wide - wide.max()).sum()) + wide.max() - wide[token]))
            over[i] = token in model.tokenizer.stop_ids
            if not over[i]:
                row.append(token)
                seen[i].append(token)
            tokens.append(token)
        if all(over):
            break
        logits = decoding.step(tokens)
    return [model.tokenizer.decode(row) for row in rows], losses, spent / len(losses)


def thinned(text: str, random: np.random.Generator) -> str:
    """A tenth of the words dropped."""
    return " ".join(word for word in text.split(" ") if random.random() >= 0.1)


def distinct(texts: Sequence[str], n: int) -> float:
    grams = [
        tuple(words[i : i + n])
        for text in texts
        for words in [text.lower().split()]
        for i in range(len(words) - n + 1)
    ]
    return len(set(grams)) / max(1, len(grams))


def measured(model: TextModel, temperature: float, mark: bool, rounds: int) -> dict[str, float]:
    sampling, random = Sampling(temperature=temperature, mark=mark), np.random.default_rng(0)
    of_prompt: dict[int, list[str]] = defaultdict(list)
    losses: list[float] = []
    chances: dict[str, list[float]] = defaultdict(list)
    spent = []
    for seed in range(rounds):
        texts, lost, took = written(model, sampling, seed)
        losses += lost
        spent.append(took)
        for i, text in enumerate(texts):
            of_prompt[i].append(text)
            ids = model.tokenizer.encode(text)[:LENGTH]
            if len(ids) == LENGTH:
                text = model.tokenizer.decode(ids)
                forms = {"whole": text, "thinned": thinned(text, random), "half": text[: len(text) // 2]}
                for name, form in forms.items():
                    chances[name].append(read(model.tokenizer.encode(form)).chance)
    everything = [text for texts in of_prompt.values() for text in texts]
    rates = {name: float(np.mean(np.array(found) < SURE)) for name, found in chances.items()}
    return {
        "temperature": temperature,
        "mark": mark,
        "texts": len(chances["whole"]),
        "perplexity": math.exp(np.mean(losses)),
        "error": float(np.std(losses) / math.sqrt(len(losses))),
        "distinct-2 in a text": float(np.mean([distinct([text], 2) for text in everything])),
        "distinct-2 of a prompt": float(np.mean([distinct(texts, 2) for texts in of_prompt.values()])),
        "other texts": len(set(everything)) / len(everything),
        "choosing, µs": 1e6 * float(np.median(spent)),
        "median chance": float(np.median(chances["whole"])),
        **rates,
    }


def human(paths: list[str]) -> None:
    from luoxia.generate.load import open_tokenizer

    tokenizer, _ = open_tokenizer("smollm2-135m-instruct")
    chances = []
    for path in paths:
        ids = tokenizer.encode(Path(path).read_text(encoding="utf-8", errors="replace"))
        chances += [read(ids[at : at + LENGTH]).chance for at in range(0, len(ids) - LENGTH + 1, LENGTH)]
    found = np.array(chances)
    print(f"{len(found):,} pieces, the least chance {found.min():.1e}")
    for said in (0.1, 0.01, 1e-3, 1e-4, 1e-5, SURE):
        print(f"at {said:g}: {int((found <= said).sum())}, allowed {said * len(found):.2f}")


def main() -> None:
    if sys.argv[1:2] == ["human"]:
        human(sys.argv[2:])
        return
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    model = luoxia.load("smollm2-135m-instruct", threads=1)
    found = []
    for temperature, mark in SETTINGS:
        found.append(measured(model, temperature, mark, rounds))
        print(json.dumps(found[-1], ensure_ascii=False), flush=True)
        if len(sys.argv) > 2:
            with open(sys.argv[2], "w", encoding="utf-8") as file:
                json.dump(found, file, ensure_ascii=False, indent=1)


if __name__ == "__main__":
    main()
