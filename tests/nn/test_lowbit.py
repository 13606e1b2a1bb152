"""Blocks of 4 and 8 bits against the library that defines them, and the compiled kernels against plain arithmetic."""

from __future__ import annotations

import gguf
import numpy as np
import pytest
import torch
from gguf.quants import dequantize, quantize

from luoxia.nn import kernels
from luoxia.nn.kernels import Team
from luoxia.nn.lowbit import BLOCK_BYTES, FEW_ROWS, FORMS, BlockEmbedding, BlockLinear, pack, unpack

TYPES = {"Q4_1": gguf.GGMLQuantizationType.Q4_1, "Q8_0": gguf.GGMLQuantizationType.Q8_0}


def weights(rows: int = 50, columns: int = 160, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed)) * 0.3


def linear(
    form: str, bias: bool = False, dtype: torch.dtype = torch.float32, threads: int = 2
) -> BlockLinear:
    extra = torch.arange(50.0) if bias else None
    return BlockLinear(pack(weights(), form), form, Team(threads), dtype, extra)


@pytest.mark.parametrize("form", FORMS)
def test_unpacking_equals_the_reference(form):
    raw = torch.from_numpy(quantize(weights().numpy(), TYPES[form]))
    expected = torch.from_numpy(dequantize(raw.numpy(), TYPES[form]))
    torch.testing.assert_close(unpack(raw.view(50, -1, BLOCK_BYTES[form]), form), expected, atol=0, rtol=0)


@pytest.mark.parametrize(("form", "bits"), [("Q4_1", 4), ("Q8_0", 8)])
def test_packing_errs_by_half_a_step_at_most(form, bits):
    w = weights()
    error = (unpack(pack(w, form), form) - w).abs().view(50, 5, 32)
    blocks = w.view(50, 5, 32)
    span = blocks.amax(-1) - blocks.amin(-1) if form == "Q4_1" else 2 * blocks.abs().amax(-1)
    step = span / (2**bits - 1)
    assert (error.amax(-1) <= step * 0.55).all()


@pytest.mark.parametrize("form", FORMS)
def test_packing_a_flat_block_is_exact(form):
    assert not unpack(pack(torch.zeros(1, 32), form), form).any()


def test_rows_that_are_not_whole_blocks_are_refused():
    with pytest.raises(ValueError, match="cannot be cut into blocks"):
        pack(torch.zeros(2, 33), "Q4_1")
    with pytest.raises(ValueError, match="blocks are uint8"):
        BlockLinear(torch.zeros(2, 1, 20, dtype=torch.uint8), "Q8_0", Team(1), torch.float32)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("form", FORMS)
def test_unpacking_in_compiled_code_equals_torch(form, threads):
    exact = linear(form, threads=threads)
    torch.testing.assert_close(exact.dense(), exact.weight, atol=0, rtol=0)
    rounded = linear(form, dtype=torch.bfloat16, threads=threads)
    torch.testing.assert_close(rounded.dense(), rounded.weight.bfloat16(), atol=0, rtol=0)


@pytest.mark.parametrize("rows", [1, 2, FEW_ROWS - 1, FEW_ROWS, 40])
@pytest.mark.parametrize("form", FORMS)
def test_products_are_those_of_the_unpacked_matrix(form, rows):
    layer = linear(form, bias=True)
    x = torch.randn(2, rows, 160, generator=torch.Generator().manual_seed(2))[:1]
    expected = torch.nn.functional.linear(x, layer.weight, layer.bias)
    error = (layer(x) - expected).abs().max()
    # Few rows meet activations at 8 bits: an error of about 2^-8 of each product, adding up like noise.
    assert error < (0.08 if rows < FEW_ROWS else 1e-4)


@pytest.mark.parametrize("form", FORMS)
def test_a_row_does_not_depend_on_its_company(form):
    layer = linear(form)
    x = torch.randn(4, 160, generator=torch.Generator().manual_seed(3))
    assert torch.equal(layer(x)[2], layer(x[2:3])[0])


def test_embedding_gives_rows_of_the_table():
    table = BlockEmbedding(pack(weights(), "Q8_0"), "Q8_0", Team(1))
    ids = torch.tensor([[3, 49], [0, 3]])
    assert torch.equal(table(ids), table.weight[ids])


@pytest.mark.parametrize("form", FORMS)
def test_zero_activations_give_zero(form):
    assert not linear(form)(torch.zeros(1, 160)).any()


def test_quantised_activations_are_within_half_a_step():
    x = torch.randn(96, generator=torch.Generator().manual_seed(1)).numpy() * 5
    xq, xs, xsum = np.zeros(96, np.int8), np.zeros(3, np.float32), np.zeros(3, np.float32)
    kernels.quantise(x, 96, xq, xs, xsum)
    stood_for = (xq.reshape(3, 32) * xs[:, None]).ravel()
    assert np.abs(stood_for - x).max() <= xs.max() * 0.5001
    np.testing.assert_allclose(xsum, stood_for.reshape(3, 32).sum(1), rtol=1e-5)
    assert np.abs(xq).max() == 127


def test_exponential_in_compiled_code():
    x = np.concatenate([np.linspace(-87, 0, 2001), np.linspace(0, 80, 501)]).astype(np.float32)
    mine = np.array([kernels.exp(v) for v in x], np.float64)
    exact = np.exp(x.astype(np.float64))
    assert (np.abs(mine / exact - 1) < (np.abs(x) + 4) * 1.2e-7).all()


def test_bf16_rounds_to_nearest_even():
    x = torch.randn(2000, generator=torch.Generator().manual_seed(0))
    x = torch.cat([x, torch.tensor([1.00390625, 1.01171875, 0.0, -0.0])])
    bits = np.array([kernels.to_bf16(v) for v in x.numpy()], np.uint16)
    assert (bits == x.bfloat16().view(torch.int16).numpy().view(np.uint16)).all()
    back = np.array([kernels.from_bf16(b) for b in bits], np.float32)
    assert (back == x.bfloat16().float().numpy()).all()


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_team_covers_every_row_once(n):
    counts = np.zeros(10, np.int64)
    Team(n).split(lambda first, last: np.add.at(counts, np.arange(first, last), 1), 10)
    assert (counts == 1).all()


def test_a_failure_in_one_thread_reaches_the_caller():
    def fail(member, n):
        if member == 1:
            raise RuntimeError("thread one")

    with pytest.raises(RuntimeError, match="thread one"):
        Team(2).run(fail)
