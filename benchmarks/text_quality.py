"""What low-bit speed costs in quality: perplexity of a fixed text, each way against the unpacked float32 model.

    python benchmarks/text_quality.py [MODEL.gguf]

``prefill`` computes the text at once on weights unpacked to bf16; ``decode`` goes token by token through the compiled
decoder, with activations at 8 bits and keys and values in bf16. The text opens *Alice's Adventures in Wonderland*
(Lewis Carroll, 1865, public domain).
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import torch

import luoxia

TEXT = Path(__file__).parent / "data" / "alice.txt"


@torch.inference_mode()
def losses(path: str) -> dict[str, float]:
    """Mean negative log-likelihood (nats a token) by each way."""
    exact, fast = luoxia.load(path, dtype="float32"), luoxia.load(path)
    ids = exact.tokenizer.encode(TEXT.read_text(encoding="utf-8"))
    tokens = torch.tensor([ids])

    def loss(logits: torch.Tensor) -> float:
        return torch.nn.functional.cross_entropy(logits[:-1].float(), tokens[0, 1:]).item()

    cache = fast.network.cache(1, len(ids), dtype=torch.bfloat16)
    assert fast.fused
    steps = torch.from_numpy(np.stack([fast.fused.step(token, cache) for token in ids]))
    return {
        "float32": loss(exact.network(tokens)[0]),
        "prefill": loss(fast.network(tokens)[0]),
        "decode": loss(steps),
    }


def main() -> None:
    from luoxia.weights import catalogue

    found = losses(
        sys.argv[1]
        if len(sys.argv) > 1
        else str(catalogue.verified(catalogue.find(catalogue.DEFAULT_TEXT_MODEL)))
    )
    print("| | perplexity | against float32 |\n|---|---|---|")
    for way, value in found.items():
        print(f"| {way} | {math.exp(value):.4f} | {100 * (math.exp(value - found['float32']) - 1):+.2f} % |")


if __name__ == "__main__":
    main()
