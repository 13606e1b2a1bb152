"""The compiled decoder against the network it stands for."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from luoxia.core.runtime import Runtime
from luoxia.generate.fused import FusedDecoder, fits
from luoxia.models.gpt import GPT, GPTConfig
from luoxia.nn.kernels import Team
from luoxia.nn.lora import Adapter
from luoxia.nn.lowbit import pack
from luoxia.weights.assemble import assemble
from luoxia.weights.blocks import Blocks

CPU = Runtime(torch.device("cpu"), torch.float32, 2, "test")
SHAPE = {
    "vocab_size": 130,
    "block_size": 48,
    "n_layer": 3,
    "n_head": 4,
    "n_embd": 64,
    "n_kv_head": 2,
    "n_ff": 96,
    "norm": "rmsnorm",
    "position": "rotary",
    "mlp": "swiglu",
    "qkv_bias": False,
    "out_bias": False,
    "mlp_bias": False,
}
FAMILIES = {
    "llama": {},
    "separate-head": {"tied_head": False},
    "qwen2": {"qkv_bias": True},
    "qwen3": {"qk_norm": True, "head_size": 32},
    "one-kv-head": {"n_kv_head": 1},
}


def low_bit(form: str = "Q8_0", threads: int = 2, **changes) -> tuple[GPT, Team]:
    config = GPTConfig(**(SHAPE | changes))
    generator = torch.Generator().manual_seed(0)
    tensors = {}
    for name, p in GPT(config, generator).named_parameters():
        value = p.detach() + torch.randn(p.shape, generator=generator) * 0.1
        tensors[name] = Blocks(pack(value, form), form) if value.ndim == 2 else value
    team = Team(threads)
    return assemble(config, tensors, CPU, source="test", team=team), team


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("family", FAMILIES)
@torch.inference_mode()
def test_step_by_step_equals_the_network(family, threads):
    model, team = low_bit(threads=threads, **FAMILIES[family])
    ids = torch.randint(0, 130, (40,), generator=torch.Generator().manual_seed(1)).tolist()
    expected = model(torch.tensor([ids]))[0]
    decoder, cache = FusedDecoder(model, team), model.cache(1, 48, dtype=torch.bfloat16)
    mine = torch.from_numpy(np.stack([decoder.step(token, cache) for token in ids]))
    assert cache.length == 40
    # bf16 keys and values and 8-bit activations on one side, float32 on the other.
    error = (mine - expected).norm(dim=1) / expected.norm(dim=1)
    assert error.max() < 0.06
    assert error.max() > 0


@torch.inference_mode()
def test_it_continues_a_cache_that_the_network_filled():
    model, team = low_bit()
    ids = torch.randint(0, 130, (30,), generator=torch.Generator().manual_seed(1))
    decoder = FusedDecoder(model, team)
    filled, stepped = (model.cache(1, 48, dtype=torch.bfloat16) for _ in range(2))
    model(ids[None, :29], filled)
    for token in ids[:29].tolist():
        decoder.step(token, stepped)
    a, b = decoder.step(int(ids[29]), filled), decoder.step(int(ids[29]), stepped)
    assert np.linalg.norm(a - b) / np.linalg.norm(b) < 0.03


@pytest.mark.parametrize(
    ("rank", "layers"), [(16, ("q", "k", "v", "o", "gate", "up", "down")), (5, ("v", "down")), (20, ("q",))]
)
@torch.inference_mode()
def test_what_an_adapter_adds_is_added(rank, layers):
    model, team = low_bit(threads=3)
    ids = torch.randint(0, 130, (24,), generator=torch.Generator().manual_seed(1)).tolist()
    plain = model(torch.tensor([ids]))[0]
    adapter = Adapter.fresh(model, rank=rank, layers=layers, generator=torch.Generator().manual_seed(2))
    for low in adapter.maps.values():
        low.b.normal_(0, 0.05, generator=torch.Generator().manual_seed(3))
    adapter.requires_grad_(False).attach(model)
    assert fits(model)
    expected = model(torch.tensor([ids]))[0]
    decoder, cache = FusedDecoder(model, team), model.cache(1, 48, dtype=torch.bfloat16)
    mine = torch.from_numpy(np.stack([decoder.step(token, cache) for token in ids]))
    error = (mine - expected).norm(dim=1) / expected.norm(dim=1)
    assert error.max() < 0.06
    assert (plain - expected)[1:].norm(dim=1).min() > 0.05 * plain.norm(
        dim=1
    ).max()  # the first sees itself alone


@torch.inference_mode()
def test_the_same_tokens_give_the_same_bytes():
    def run() -> bytes:
        model, team = low_bit(form="Q4_1")
        decoder, cache = FusedDecoder(model, team), model.cache(1, 48, dtype=torch.bfloat16)
        return b"".join(decoder.step(token, cache).tobytes() for token in range(40))

    assert run() == run()


def test_only_families_that_it_computes_fit():
    assert fits(low_bit()[0])
    dense = GPT(GPTConfig(**SHAPE), torch.Generator().manual_seed(0))
    assert not fits(dense)
