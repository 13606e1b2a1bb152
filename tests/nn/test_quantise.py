"""Quantisers: their closed forms, their limits, and that nothing is drawn behind one's back."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from luoxia.nn.quantise import (
    Annealing,
    FiniteScalar,
    GumbelSoftmax,
    VectorQuantiser,
    divergence_from_uniform,
    gumbel,
)


def drawn(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("levels", [(8, 5, 5, 5), (8, 8, 8), (4, 4, 4, 4, 4), (2, 3), (7,)])
def test_every_finite_scalar_code_goes_to_values_and_back(levels):
    quantiser = FiniteScalar(levels)
    codes = torch.arange(quantiser.codes).view(1, -1, 1)
    assert quantiser.codes == math.prod(levels)
    values = quantiser.value(codes)
    assert len(values.flatten(2)[0].T.unique(dim=0)) == quantiser.codes
    for channel, level in zip(values[0], levels, strict=True):
        assert len(channel.unique()) == level
        assert channel.min() == -1
        assert channel.max() == (1 if level % 2 else 1 - 2 / level)
    # What is bounded to a value is given the value's code: the inverse of the bound on the middle of each bin.
    half = (quantiser.levels - 1) * (1 + 1e-3) / 2
    offset = (quantiser.levels % 2 == 0) * 0.5
    whole = values[0] * (quantiser.levels[:, 0] // 2).unsqueeze(1)
    h = torch.atanh((whole + offset) / half) - torch.atanh(offset / half)
    assert torch.equal(quantiser.code(h[None]), codes)
    found = quantiser(h[None])
    assert torch.equal(found.codes, codes)
    torch.testing.assert_close(found.values, values)


def test_finite_scalars_begin_in_the_middle_and_saturate_at_the_outer_levels():
    quantiser = FiniteScalar((8, 5))
    assert quantiser.bound(torch.zeros(1, 2, 1, 1)).abs().max() < 1e-6
    far = quantiser(torch.tensor([[-9.0, 9.0], [9.0, -9.0]])[:, :, None, None]).values[:, :, 0, 0]
    assert torch.equal(far, torch.tensor([[-1.0, 1.0], [0.75, -1.0]]))


def test_the_gradient_of_finite_scalars_is_that_of_the_bound():
    quantiser = FiniteScalar((8, 5, 5))
    h = torch.randn(2, 3, 4, 4, generator=drawn(), requires_grad=True)
    weight = torch.randn(2, 3, 4, 4, generator=drawn(1))
    (quantiser(h).values * weight).sum().backward()
    (expected,) = torch.autograd.grad((quantiser.bound(h) / (quantiser.levels // 2) * weight).sum(), h)
    torch.testing.assert_close(h.grad, expected)
    assert h.grad is not None
    assert h.grad.abs().min() > 0


def test_vectors_follow_their_cells_by_the_closed_form():
    quantiser = VectorQuantiser(3, 2, gamma=0.9, commitment=0.5)
    vectors = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
    count = torch.tensor([2.0, 3.0, 1.5])
    quantiser.vectors.copy_(vectors)
    quantiser.count.copy_(count)
    rows = torch.tensor([[0.5, 0.1], [-0.5, 0.3], [3.0, 1.0], [5.0, 0.0]])
    found = quantiser(rows.T.view(1, 2, 4, 1), drawn())
    assert found.codes.flatten().tolist() == [0, 0, 1, 1]
    # The values are those of the codebook as it was.
    assert torch.equal(found.values[0, :, :, 0].T, vectors[[0, 0, 1, 1]])
    torch.testing.assert_close(found.cost, 0.5 * (rows - vectors[[0, 0, 1, 1]]).square().mean())
    n = torch.tensor([2.0, 2.0, 0.0])
    sums = torch.stack([rows[:2].sum(0), rows[2:].sum(0), torch.zeros(2)])
    expected_n = 0.9 * count + 0.1 * n
    expected_m = 0.9 * vectors * count[:, None] + 0.1 * sums
    torch.testing.assert_close(quantiser.count, expected_n)
    torch.testing.assert_close(quantiser.vectors, expected_m / expected_n[:, None])


def test_the_gradient_passes_the_vectors_straight_and_at_rest_nothing_moves():
    quantiser = VectorQuantiser(5, 3, commitment=0.0)
    h = torch.randn(2, 3, 4, 4, generator=drawn(), requires_grad=True)
    weight = torch.randn(2, 3, 4, 4, generator=drawn(1))
    (quantiser(h, drawn()).values * weight).sum().backward()
    torch.testing.assert_close(h.grad, weight)
    before = {k: v.clone() for k, v in quantiser.state_dict().items()}
    quantiser.eval()
    found = quantiser(h)
    assert all(torch.equal(v, before[k]) for k, v in quantiser.state_dict().items())
    assert torch.equal(quantiser.value(found.codes), found.values)


def test_dead_vectors_come_back_and_living_ones_stay():
    quantiser = VectorQuantiser(64, 2)
    quantiser.vectors.fill_(1e6)
    quantiser.vectors[0] = 0.0
    quantiser.count.fill_(1e-9)
    quantiser.count[0] = 100.0
    h = torch.randn(8, 2, 8, 8, generator=drawn())
    used = []
    for step in range(20):
        used.append(len(quantiser(h, drawn(step)).codes.unique()))
    assert used[0] > 40  # revived before the first look
    assert used[-1] >= 60
    assert quantiser.vectors.abs().max() < 10
    # The one that lived was not moved onto a picture's vector: it went by the closed form alone.
    alone = VectorQuantiser(2, 2, gamma=0.9)
    alone.vectors.copy_(torch.tensor([[0.0, 0.0], [50.0, 50.0]]))
    alone.count.copy_(torch.tensor([10.0, 1.0]))
    alone(h, drawn())
    assert alone.vectors[0].abs().max() < 0.5
    torch.testing.assert_close(alone.vectors[1], torch.tensor([50.0, 50.0]))


def test_the_same_generator_draws_the_same():
    h = torch.randn(2, 16, 4, 4, generator=drawn())
    for make in (lambda: VectorQuantiser(16, 16), lambda: GumbelSoftmax(16, 4)):
        torch.manual_seed(1)
        a = make()
        torch.manual_seed(1)
        b = make()
        torch.manual_seed(2)
        state = torch.get_rng_state()
        of_a, of_b, of_c = a(h, drawn(7)), b(h, drawn(7)), make()(h, drawn(8))
        assert torch.equal(of_a.values, of_b.values)
        assert not torch.equal(of_a.values, of_c.values)
        assert torch.equal(state, torch.get_rng_state()) or isinstance(a, GumbelSoftmax)


def test_gumbel_noise_makes_a_categorical_choice():
    logits = torch.tensor([0.0, 1.0, 2.0, -1.0])
    noise = gumbel(torch.Size((200_000, 4)), drawn(), torch.device("cpu"))
    shares = torch.bincount((logits + noise).argmax(1), minlength=4) / 200_000
    torch.testing.assert_close(shares, logits.softmax(0), atol=4e-3, rtol=0)
    assert noise.mean() == pytest.approx(0.5772, abs=5e-3)  # Euler's constant
    assert noise.isfinite().all()


def soft(quantiser: GumbelSoftmax, logits: torch.Tensor, tau: float, seed: int) -> torch.Tensor:
    """y of many draws, (B, K): with the identity as codebook the values are y itself."""
    quantiser.tau = tau
    return quantiser(logits, drawn(seed)).values.flatten(1)


def identity(k: int) -> GumbelSoftmax:
    quantiser = GumbelSoftmax(k, k)
    quantiser.vectors = nn.Parameter(torch.eye(k))
    return quantiser


def test_temperature_to_zero_gives_one_code_and_to_infinity_all_of_them():
    logits = torch.randn(512, 8, 1, 1, generator=drawn())
    quantiser = identity(8)
    cold = soft(quantiser, logits, 1e-6, 1)
    choice = (logits.flatten(1) + gumbel(logits.shape, drawn(1), logits.device).flatten(1)).argmax(1)
    torch.testing.assert_close(cold, torch.eye(8)[choice], atol=1e-3, rtol=0)
    hot = soft(quantiser, logits, 1e4, 1)
    torch.testing.assert_close(hot, torch.full_like(hot, 1 / 8), atol=1e-3, rtol=0)
    quantiser.eval()
    assert torch.equal(quantiser(logits).values.flatten(1), torch.eye(8)[logits.flatten(1).argmax(1)])


def test_the_bias_of_the_gumbel_gradient_falls_with_the_temperature():
    """Of E[f(e_k)], k ~ softmax(l), whose gradient is p_i (f_i - E f): known exactly. f is not linear in y."""
    logits = torch.tensor([0.5, -0.3, 0.1])
    target = torch.tensor([0.2, 0.9, -0.4])

    def f(y: torch.Tensor) -> torch.Tensor:
        return ((y @ target) ** 3 + (y @ target) ** 2).sum()

    of_codes = (target**3 + target**2).double()
    p = logits.double().softmax(0)
    exact = p * (of_codes - (p * of_codes).sum())
    n, errors = 400_000, []
    for tau in (2.0, 0.5, 0.05):
        given = logits.clone().requires_grad_(True)
        f(soft(identity(3), given.view(1, 3, 1, 1).expand(n, -1, -1, -1), tau, 3)).backward()
        assert given.grad is not None
        errors.append(float((given.grad.double() / n - exact).norm() / exact.norm()))
    assert errors[0] > 0.3  # at a high temperature it points elsewhere
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.08, errors


def test_the_divergence_from_uniform_at_its_ends():
    assert divergence_from_uniform(torch.zeros(1, 7, 2)).abs().max() < 1e-6
    sure = torch.zeros(1, 7, 1)
    sure[0, 3] = 100.0
    assert divergence_from_uniform(sure).item() == pytest.approx(math.log(7), abs=1e-5)
    logits = torch.randn(4, 7, 3, generator=drawn())
    q = torch.distributions.Categorical(logits=logits.transpose(1, 2))
    uniform = torch.distributions.Categorical(logits=torch.zeros(4, 3, 7))
    expected = torch.distributions.kl_divergence(q, uniform)
    torch.testing.assert_close(divergence_from_uniform(logits), expected, atol=1e-5, rtol=1e-5)


def test_annealing_follows_half_a_cosine():
    annealing = Annealing(tau=1 / 16, tau_steps=100, beta=6.6, kl_steps=10)
    assert annealing.at(0) == (1.0, 0.0)
    assert annealing.at(5)[1] == pytest.approx(3.3)
    assert annealing.at(50)[0] == pytest.approx((1 + 1 / 16) / 2)
    assert annealing.at(10**6) == (pytest.approx(1 / 16), 6.6)
    quantiser = GumbelSoftmax(8, 4, pixels=12, annealing=annealing)
    logits = torch.randn(2, 8, 3, 3, generator=drawn())
    assert quantiser(logits, drawn()).cost == 0
    quantiser.anneal(5)
    expected = 3.3 / 12 * divergence_from_uniform(logits).mean()
    torch.testing.assert_close(quantiser(logits, drawn()).cost, expected)


def test_what_is_no_quantiser_is_refused():
    for make in (
        lambda: FiniteScalar((8, 1)),
        lambda: FiniteScalar(()),
        lambda: VectorQuantiser(1, 8),
        lambda: GumbelSoftmax(8, 0),
    ):
        with pytest.raises(ValueError, match="at least 2"):
            make()


TWO = """
import sys, torch, torch.distributed as dist
sys.path[:0] = [{here!r}]
from test_quantise import alive, drawn
torch.set_num_threads(1)
rank = int(sys.argv[1])
dist.init_process_group("gloo", init_method="file://{store}", rank=rank, world_size=2)
quantiser = alive()
h = torch.randn(8, 4, 4, 4, generator=drawn())
for step in range(3):
    quantiser(h[4 * rank : 4 * rank + 4] + step, drawn(step))
living = {{k: v.clone() for k, v in quantiser.state_dict().items()}}
quantiser.count.zero_()
quantiser(h[4 * rank : 4 * rank + 4], drawn(rank))
torch.save((living, quantiser.state_dict()), "{out}" + str(rank))
dist.destroy_process_group()
"""


def alive() -> VectorQuantiser:
    quantiser = VectorQuantiser(6, 4)
    quantiser.vectors.copy_(torch.randn(6, 4, generator=drawn(9)))
    quantiser.count.fill_(20.0)
    return quantiser


def test_vectors_of_two_processes_follow_what_falls_to_them_on_both(tmp_path):
    """And those that come back do so on both in one place."""
    whole = alive()
    h = torch.randn(8, 4, 4, 4, generator=drawn())
    for step in range(3):
        whole(h + step, drawn(step))
    script = TWO.format(here=str(Path(__file__).parent), store=tmp_path / "store", out=tmp_path / "out")
    jobs = [subprocess.Popen([sys.executable, "-c", script, str(rank)]) for rank in range(2)]
    assert [job.wait(120) for job in jobs] == [0, 0]
    (living, revived), (other, of_other) = (torch.load(tmp_path / f"out{rank}") for rank in range(2))
    for name, tensor in whole.state_dict().items():
        torch.testing.assert_close(living[name], tensor)
        assert torch.equal(living[name], other[name])
        assert torch.equal(revived[name], of_other[name])
    assert not torch.equal(revived["vectors"], living["vectors"])
