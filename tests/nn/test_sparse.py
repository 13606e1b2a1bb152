"""Sparse attention equals dense attention under its mask, whole, in parts and one position at a time."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from luoxia.nn.sparse import KINDS, Sparse, cycle, pattern

TEXT, SIDE = 5, 6
TOTAL = TEXT + SIDE**2


def qkv(size: int = TOTAL) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(2, 3, size, 8, generator=generator) for _ in range(3)]


def dense(sparse: Sparse, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    size = q.shape[2]
    return F.scaled_dot_product_attention(q, k, v, attn_mask=sparse.mask[:size, :size])


@pytest.mark.parametrize(
    ("kind", "kernel"), [("row", 1), ("column", 1), ("conv", 1), ("conv", 5), ("conv", 11)]
)
def test_blocks_equal_dense_attention_under_the_mask(kind: str, kernel: int) -> None:
    sparse = Sparse(kind, TEXT, SIDE, kernel)
    for size in (TOTAL, TOTAL - 1, TEXT + 1, TEXT + SIDE):
        q, k, v = (x.requires_grad_() for x in qkv(size))
        mine, theirs = sparse.attend(q, k, v), dense(sparse, q, k, v)
        torch.testing.assert_close(mine, theirs, atol=1e-6, rtol=1e-5)
        slope = torch.randn_like(theirs)
        for a, b in zip(
            torch.autograd.grad(mine, (q, k, v), slope),
            torch.autograd.grad(theirs, (q, k, v), slope),
            strict=True,
        ):
            torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_position_at_a_time(kind: str) -> None:
    sparse = Sparse(kind, TEXT, SIDE, 3)
    q, k, v = qkv()
    whole = dense(sparse, q, k, v)
    for i in range(TOTAL):
        one = sparse.attend(q[:, :, i : i + 1], k[:, :, : i + 1], v[:, :, : i + 1])
        torch.testing.assert_close(one, whole[:, :, i : i + 1], atol=1e-6, rtol=1e-5)
    some = sparse.attend(q[:, :, 9:20], k[:, :, :20], v[:, :, :20])
    torch.testing.assert_close(some, whole[:, :, 9:20], atol=1e-6, rtol=1e-5)


def seen(kind: str, place: int, kernel: int = 3) -> set[int]:
    mask = pattern(kind, TEXT, SIDE, kernel)
    assert mask[TEXT + place, :TEXT].all()
    return set(mask[TEXT + place, TEXT:].nonzero()[:, 0].tolist())


def test_what_a_code_sees() -> None:
    place = 2 * SIDE + 3  # row 2, column 3
    assert seen("row", place) == set(range(place - SIDE + 1, place + 1))
    assert seen("column", place) == {3, 9, 15}
    assert seen("conv", place) == {8, 9, 10, 14, 15}
    assert seen("conv", 2 * SIDE) == {6, 7, 12}  # nothing comes around from the other side
    for kind in KINDS:
        assert not pattern(kind, TEXT, SIDE).triu(1).any()
        assert torch.equal(
            pattern(kind, TEXT, SIDE)[:TEXT, :TEXT], torch.ones(TEXT, TEXT, dtype=torch.bool).tril()
        )


def test_layers_take_turns() -> None:
    assert cycle((), 3) == ("dense",) * 3
    assert cycle(("row", "column", "row", "row", "/conv"), 6) == (
        "row",
        "column",
        "row",
        "row",
        "row",
        "conv",
    )
    assert cycle(("row",), 2) == ("row", "row")


def test_unknown_patterns_are_refused() -> None:
    with pytest.raises(ValueError, match="'diagonal' is not known; give row, column, conv"):
        Sparse("diagonal", 4, 4)
    with pytest.raises(ValueError, match="odd side"):
        Sparse("conv", 4, 4, 4)
