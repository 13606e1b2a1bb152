"""The network against the reference implementation, and against its own definitions."""

from __future__ import annotations

import math

import pytest
import torch
from families import CONFIGS, reference

from luoxia.core.runtime import Runtime
from luoxia.models.gpt import GPT, GPT3_SIZES, GPTConfig, initialise, parameter_count
from luoxia.nn.attention import attend_by_blocks, attend_whole, within
from luoxia.weights.assemble import assemble
from luoxia.weights.huggingface import from_huggingface, read_config

CPU = Runtime(torch.device("cpu"), torch.float32, 2, "test")
TINY = {"vocab_size": 61, "block_size": 32, "n_layer": 4, "n_head": 4, "n_embd": 32}
LLAMA = {
    "norm": "rmsnorm",
    "position": "rotary",
    "mlp": "swiglu",
    "n_kv_head": 2,
    "qkv_bias": False,
    "out_bias": False,
    "mlp_bias": False,
}


def ours(theirs, folder) -> GPT:
    theirs.config.to_json_file(folder / "config.json")
    config, family = read_config(folder / "config.json")
    tensors = from_huggingface(theirs.state_dict(), family, config)
    if config.tied_head:
        tensors.pop("head.weight", None)
    return assemble(config, dict(tensors), CPU, source="test")


def random_gpt(seed: int = 0, **changes) -> GPT:
    generator = torch.Generator().manual_seed(seed)
    return GPT(GPTConfig(**(TINY | changes)), generator).eval()


def ids(batch: int, length: int, vocab: int = 61, seed: int = 1) -> torch.Tensor:
    return torch.randint(0, vocab, (batch, length), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", CONFIGS)
@torch.no_grad()
def test_logits_equal_the_reference(name, tmp_path):
    theirs = reference(name)
    tokens = ids(2, 40, 97)
    expected = theirs(tokens).logits
    assert (ours(theirs, tmp_path)(tokens) - expected).abs().max() < 1e-5 * max(
        1.0, float(expected.abs().max())
    )


@pytest.mark.parametrize(
    "changes", [{}, LLAMA, LLAMA | {"qk_norm": True}, {"band": 5}], ids=["gpt2", "llama", "qk", "banded"]
)
@torch.no_grad()
def test_cached_equals_uncached_whatever_the_chunks(changes):
    model, tokens = random_gpt(**changes), ids(2, 30)
    whole = model(tokens)
    for chunks in ([30], [1] * 30, [7, 13, 1, 9]):
        cache = model.cache(2, 30)
        parts = [model(part, cache) for part in tokens.split(chunks, dim=1)]
        torch.testing.assert_close(torch.cat(parts, dim=1), whole, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("changes", [{}, LLAMA], ids=["gpt2", "llama"])
@torch.no_grad()
def test_no_token_sees_a_later_one(changes):
    model, tokens = random_gpt(**changes), ids(1, 20)
    changed = tokens.clone()
    changed[0, 12] = (changed[0, 12] + 1) % 61
    before, after = model(tokens), model(changed)
    assert torch.equal(before[:, :12], after[:, :12])
    assert (before[:, 12:] - after[:, 12:]).abs().amax(dim=(0, 2)).min() > 1e-6


@pytest.mark.parametrize("changes", [{}, LLAMA, {"band": 4}], ids=["gpt2", "llama", "banded"])
@torch.no_grad()
def test_padding_at_the_left_changes_nothing(changes):
    model = random_gpt(**changes)
    short, long = ids(1, 9, seed=2), ids(1, 17, seed=3)
    start = torch.tensor([8, 0])
    batch = torch.cat([torch.cat([torch.zeros(1, 8, dtype=torch.long), short], dim=1), long])
    cache = model.cache(2, 20, start=start)
    padded = [model(part, cache) for part in batch.split([10, 7], dim=1)]
    padded = torch.cat([*padded, model(torch.tensor([[5], [6]]), cache)], dim=1)
    torch.testing.assert_close(
        padded[0, 8:], model(torch.cat([short, torch.tensor([[5]])], 1))[0], atol=1e-5, rtol=1e-5
    )
    torch.testing.assert_close(
        padded[1], model(torch.cat([long, torch.tensor([[6]])], 1))[0], atol=1e-5, rtol=1e-5
    )


@torch.no_grad()
def test_banded_layers_equal_a_masked_dense_reference():
    """Odd layers look back over the band only; even layers see everything."""
    banded, dense, tokens = random_gpt(band=5), random_gpt(), ids(1, 24)
    dense.load_state_dict(banded.state_dict())
    x = dense.wte(tokens) + dense.wpe(torch.arange(24))
    i = torch.arange(24)
    causal = i[None, :] <= i[:, None]
    near = causal & (i[:, None] - i[None, :] < 5)
    for layer, block in enumerate(dense.blocks):
        h = block.attn_norm(x)
        q, k, v = (m(h).view(24, 4, 8).transpose(0, 1) for m in (block.attn.q, block.attn.k, block.attn.v))
        scores = (q @ k.transpose(1, 2) / math.sqrt(8)).masked_fill(
            ~(near if layer % 2 else causal), -math.inf
        )
        x = x + block.attn.o((scores.softmax(-1) @ v).transpose(0, 1).reshape(1, 24, 32))
        x = x + block.mlp(block.mlp_norm(x))
    torch.testing.assert_close(banded(tokens), dense.logits(dense.norm(x)), atol=1e-5, rtol=1e-5)
    assert (banded(tokens) - dense(tokens)).abs().max() > 1e-3


@pytest.mark.parametrize(("new", "seen"), [(300, 0), (128, 0), (2, 0), (150, 70), (3, 200)])
@pytest.mark.parametrize("heads", [(6, 2), (4, 4)])
def test_attention_by_blocks_equals_the_definition(new, seen, heads):
    n_head, n_kv = heads
    generator = torch.Generator().manual_seed(0)
    q = torch.randn(2, n_head, new, 16, generator=generator)
    k, v = (torch.randn(2, n_kv, seen + new, 16, generator=generator) for _ in range(2))
    i, j = torch.arange(seen, seen + new)[:, None], torch.arange(seen + new)[None]
    group = n_head // n_kv
    scores = q @ k.repeat_interleave(group, 1).mT / 4
    expected = scores.masked_fill(j > i, -math.inf).softmax(-1) @ v.repeat_interleave(group, 1)
    torch.testing.assert_close(attend_by_blocks(q, k, v), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("documents", [False, True])
def test_attention_of_whole_rows_equals_the_definition(documents):
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 3, 40, 16, generator=generator, requires_grad=True) for _ in range(3))
    mask = torch.ones(40, 40, dtype=torch.bool).tril()
    if documents:
        mask = within(torch.tensor([[0] * 13 + [1] * 27, [4] * 30 + [5] * 10]))
        assert mask.shape == (2, 1, 40, 40)
        assert mask[0, 0, 20].nonzero().flatten().tolist() == list(range(13, 21))
    expected = (q @ k.mT / 4).masked_fill(~mask, -math.inf).softmax(-1) @ v
    bias = torch.zeros(mask.shape).masked_fill(~mask, -math.inf)
    found = attend_whole(q, k, v, bias)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    for a, b in zip(
        torch.autograd.grad(found.square().sum(), (q, k, v)),
        torch.autograd.grad(expected.square().sum(), (q, k, v)),
        strict=True,
    ):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("documents", [None, torch.tensor([[0] * 100 + [1] * 100])])
def test_rows_are_learned_from_in_half_precision_as_they_are_read(documents):
    """The kernels that gradients go through and those without see the same tokens."""
    model = GPT(
        GPTConfig(50, 200, 2, 2, 32, position="rotary", norm="rmsnorm"), torch.Generator().manual_seed(0)
    )
    tokens = ids(1, 200) % 50
    with torch.autocast("cpu", torch.bfloat16):
        learned = model.hidden(tokens, documents=documents)
        with torch.no_grad():
            read = model.hidden(tokens, documents=documents)
    torch.testing.assert_close(learned, read, atol=0.05, rtol=0.05)


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("gpt3-small", 125e6),
        ("gpt3-medium", 350e6),
        ("gpt3-large", 760e6),
        ("gpt3-xl", 1.3e9),
        ("gpt3-2.7b", 2.7e9),
        ("gpt3-6.7b", 6.7e9),
        ("gpt3-13b", 13e9),
        ("gpt3-175b", 175e9),
    ],
)
def test_gpt3_sizes_have_the_published_number_of_parameters(name, published):
    assert parameter_count(GPT3_SIZES[name]) == pytest.approx(published, rel=0.025)
    assert GPT3_SIZES[name].block_size == 2048
    assert GPT3_SIZES[name].band


def test_weights_are_drawn_as_published():
    model = GPT(GPTConfig(2000, 64, 8, 4, 128), torch.Generator().manual_seed(0))
    assert model.wte.weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert model.wpe.weight.std().item() == pytest.approx(0.01, rel=0.05)
    assert model.blocks[3].attn.q.weight.std().item() == pytest.approx(0.02, rel=0.05)
    for end in (model.blocks[3].attn.o, model.blocks[3].mlp.down):
        assert end.weight.std().item() == pytest.approx(0.02 / math.sqrt(16), rel=0.05)
        assert not end.bias.any()


def test_the_same_seed_draws_the_same_weights():
    a, b, c = random_gpt(3), random_gpt(3), random_gpt(4)
    assert torch.equal(a.blocks[0].attn.q.weight, b.blocks[0].attn.q.weight)
    assert not torch.equal(a.blocks[0].attn.q.weight, c.blocks[0].attn.q.weight)


@pytest.mark.parametrize("changes", [{}, LLAMA | {"qk_norm": True}], ids=["gpt2", "llama"])
def test_loss_begins_at_ln_v_and_every_parameter_learns(changes):
    model, tokens = random_gpt(**changes), ids(4, 32)
    loss = torch.nn.functional.cross_entropy(model(tokens)[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())
    assert loss.item() == pytest.approx(math.log(61), abs=0.1)
    loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        # A bias on every key moves all scores of a query alike, which softmax does not see.
        assert parameter.grad.abs().max() > 0 or name.endswith("k.bias"), name


def test_more_tokens_than_the_context_are_refused():
    with pytest.raises(ValueError, match="33 tokens do not fit a context of 32"):
        random_gpt()(ids(1, 33))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_kv_head": 3}, "not a multiple"),
        ({"n_layer": 0}, "n_layer is 0"),
        ({"head_size": 7, "position": "rotary"}, "odd"),
    ],
)
def test_impossible_shapes_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        GPTConfig(**(TINY | change))


def test_initialise_leaves_norms_alone():
    model = random_gpt()
    initialise(model, torch.Generator().manual_seed(1))
    assert (model.norm.weight == 1).all()
