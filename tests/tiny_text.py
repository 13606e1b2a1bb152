"""A text model of bytes with random weights in float32: small enough to compute everything twice."""

from __future__ import annotations

import tokenizers
import torch
from tokenizers import decoders, models, pre_tokenizers

from luoxia.core.runtime import Runtime
from luoxia.generate.text import TextModel
from luoxia.models.gpt import GPT, GPTConfig
from luoxia.models.tokenizer import Tokenizer


def byte_tokenizer(stop_ids: frozenset[int] = frozenset()) -> Tokenizer:
    """Every byte is one token."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    engine = tokenizers.Tokenizer(models.BPE({c: i for i, c in enumerate(alphabet)}, []))
    engine.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    engine.decoder = decoders.ByteLevel()
    return Tokenizer(engine, stop_ids=stop_ids)


def tiny_text_model(context: int = 64, stop_ids: frozenset[int] = frozenset()) -> TextModel:
    network = GPT(GPTConfig(256, context, 2, 4, 32), torch.Generator().manual_seed(0))
    network.eval().requires_grad_(False)
    for parameter in network.parameters():  # sharper than at initialisation, so that choices differ
        parameter.mul_(6)
    runtime = Runtime(torch.device("cpu"), torch.float32, 2, "test")
    return TextModel("tiny", network, byte_tokenizer(stop_ids), runtime)
