"""Low-rank maps beside frozen layers: the base bit for bit at first, exact products and gradients, merging, stacking."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from luoxia.models.gpt import GPT, GPTConfig
from luoxia.nn import lora
from luoxia.nn.kernels import Team
from luoxia.nn.lora import Adapter, LoRALinear, LowRank
from luoxia.nn.lowbit import BlockLinear, pack

SHAPE = {
    "vocab_size": 96,
    "block_size": 32,
    "n_layer": 2,
    "n_head": 4,
    "n_embd": 64,
    "n_kv_head": 2,
    "n_ff": 96,
}
LLAMA = {"norm": "rmsnorm", "position": "rotary", "mlp": "swiglu"} | dict.fromkeys(
    ("qkv_bias", "out_bias", "mlp_bias"), False
)
IDS = torch.arange(24).reshape(2, 12) * 3


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def gpt(**changes) -> GPT:
    return GPT(GPTConfig(**(SHAPE | LLAMA | changes)), seeded()).requires_grad_(False)


def trained(network: nn.Module, seed: int = 1, **options) -> Adapter:
    """An adapter whose B is no longer zero."""
    adapter = Adapter.fresh(network, generator=seeded(seed), **{"rank": 4, **options})
    for low in adapter.maps.values():
        low.b.data.normal_(0, 0.2, generator=seeded(seed))
    return adapter


def layer(kind: str, dtype: torch.dtype = torch.float32) -> nn.Module:
    w = torch.randn(32, 64, generator=seeded(3)) * 0.2
    if kind == "blocks":
        return BlockLinear(pack(w, "Q4_1"), "Q4_1", Team(1), dtype)
    linear = nn.Linear(64, 32).requires_grad_(False)
    linear.weight.copy_(w)
    return linear


@pytest.mark.parametrize("learning", [True, False])
@pytest.mark.parametrize(
    "family", [{}, {"norm": "layernorm", "position": "learned", "mlp": "gelu", "qkv_bias": True}]
)
def test_an_untrained_adapter_is_the_base_bit_for_bit(family, learning):
    network = gpt(**family)
    with torch.set_grad_enabled(learning):
        expected = network(IDS)
        Adapter.fresh(network, rank=4, generator=seeded()).attach(network)
        assert torch.equal(network(IDS), expected)
    lora.detach(network)
    assert not any(isinstance(m, LoRALinear) for m in network.modules())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_untrained_adapter_is_the_base_in_blocks_too(dtype):
    base = layer("blocks", dtype)
    x = torch.randn(12, 64, generator=seeded(5)).to(dtype)
    untrained = LoRALinear(base, LowRank(torch.randn(4, 64), torch.zeros(32, 4)))
    with torch.no_grad():
        assert torch.equal(untrained(x), base(x))
    assert torch.equal(untrained(x), base(x))


@pytest.mark.parametrize("kind", ["blocks", "float"])
def test_product_and_gradients_are_those_of_the_written_out_map(kind):
    base = layer(kind)
    low = LowRank(torch.randn(4, 64, generator=seeded(6)), torch.randn(32, 4, generator=seeded(7)), scale=1.5)
    x = torch.randn(3, 7, 64, generator=seeded(8), requires_grad=True)
    weight, bias = base.weight.detach(), base.bias
    down, up = low.a.detach().clone().requires_grad_(), low.b.detach().clone().requires_grad_()
    plain = x.detach().clone().requires_grad_()
    expected = nn.functional.linear(plain, weight + 1.5 * up @ down, bias)
    slope = torch.randn(expected.shape, generator=seeded(9))
    expected.backward(slope)
    out = LoRALinear(base, low)(x)
    out.backward(slope)
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-5)
    for mine, theirs in ((x, plain), (low.a, down), (low.b, up)):
        assert mine.grad is not None
        torch.testing.assert_close(mine.grad, theirs.grad, atol=1e-4, rtol=1e-4)
    assert all(p.grad is None for p in base.parameters())


def test_every_map_of_a_network_gets_a_finite_gradient():
    network = gpt()
    adapter = trained(network)
    adapter.attach(network)
    network(IDS).square().mean().backward()
    gradients = [p.grad for p in adapter.parameters()]
    assert len(gradients) == 2 * 7 * 2
    assert all(g is not None and bool(g.isfinite().all()) and bool(g.any()) for g in gradients)


def test_dropout_leaves_out_what_is_added_and_nothing_of_the_base():
    base, x = layer("float"), torch.randn(40, 64, generator=seeded(5))
    low = LowRank(torch.randn(4, 64), torch.randn(32, 4), dropout=0.999999)
    both = LoRALinear(base, low)
    torch.testing.assert_close(both(x), base(x), atol=1e-6, rtol=0)
    both.eval()
    assert (both(x) - base(x)).abs().max() > 0.1


@torch.no_grad()
def test_merged_equals_unmerged():
    network = gpt()
    trained(network).attach(network)
    expected = network(IDS)
    lora.merge(network)
    assert not any(isinstance(m, LoRALinear) for m in network.modules())
    torch.testing.assert_close(network(IDS), expected, atol=1e-5, rtol=0)
    assert (gpt()(IDS) - expected).abs().max() > 0.01


def test_merging_into_few_bits_is_refused():
    holder = nn.Module()
    holder.blocks = nn.ModuleDict(
        {"q": LoRALinear(layer("blocks"), LowRank(torch.zeros(2, 64), torch.zeros(32, 2)))}
    )
    with pytest.raises(ValueError, match="few bits"):
        lora.merge(holder)


@torch.no_grad()
def test_a_stack_adds_what_its_parts_add_each_by_its_weight():
    network = gpt()
    first, second = trained(network, 1), trained(network, 2, rank=2, layers=("q", "v"))

    def added(adapter: Adapter) -> Tensor:
        place = network.get_submodule("blocks.1.attn.q")
        return dict(adapter.items())["blocks.1.attn.q"](torch.ones(1, place.in_features))

    stack = Adapter.stacked([(first, 1.0), (second, 0.5)])
    torch.testing.assert_close(added(stack), added(first) + 0.5 * added(second), atol=1e-5, rtol=1e-5)
    ranks = {place: low.rank for place, low in stack.items()}
    assert (ranks["blocks.0.attn.v"], ranks["blocks.0.mlp.up"]) == (6, 4)


def test_only_the_layers_asked_for_are_adapted():
    adapter = Adapter.fresh(gpt(), layers=("q", "v"), rank=2)
    assert [place for place, _ in adapter.items()] == [
        f"blocks.{i}.attn.{part}" for i in range(2) for part in "qv"
    ]
    assert sum(p.numel() for p in adapter.parameters()) == 2 * 2 * (64 + 64 + 64 + 32)


def test_an_adapter_of_another_shape_is_refused():
    adapter = Adapter.fresh(gpt(), rank=2)
    with pytest.raises(ValueError, match=r"blocks\.0\.attn\.q is 32 x 32; the adapter's is 64 x 64"):
        adapter.attach(gpt(n_embd=32))


def test_memory_of_frozen_weights_is_not_kept_for_the_backward_pass():
    base = layer("blocks", torch.bfloat16)
    kept: list[int] = []

    def keep(t: Tensor) -> Tensor:
        kept.append(t.numel())
        return t

    both = LoRALinear(base, LowRank(torch.randn(2, 64), torch.randn(32, 2)))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        both(torch.randn(8, 64).bfloat16().requires_grad_())
    assert max(kept) == 8 * 64  # the activations, and not the 32 x 64 weights
