"""Packed documents against each alone."""

from __future__ import annotations

import pytest
import torch

from luoxia.models.gpt import GPT, GPTConfig
from luoxia.nn import documents as packed_documents
from luoxia.nn.documents import Documents
from luoxia.nn.gated import gated

FAMILIES = {
    "gpt2": {},
    "banded": {"band": 3},
    "llama": {"norm": "rmsnorm", "position": "rotary", "mlp": "swiglu", "n_kv_head": 2, "qkv_bias": False},
}


def gpt(family: str) -> GPT:
    return GPT(GPTConfig(97, 16, 2, 4, 32, **FAMILIES[family]), torch.Generator().manual_seed(0))


@pytest.mark.parametrize("long", [False, True])
@pytest.mark.parametrize("learning", [True, False])
@pytest.mark.parametrize("family", FAMILIES)
def test_documents_in_a_row_are_what_each_is_alone(family, learning, long, monkeypatch):
    if long:
        monkeypatch.setattr(packed_documents, "LONG", 2)
    network = gpt(family)
    ids = torch.randint(0, 97, (1, 24), generator=torch.Generator().manual_seed(1))
    with torch.set_grad_enabled(learning):
        row = network.hidden(ids, documents=Documents([5, 1, 16, 2]))
        alone = torch.cat([network.hidden(part) for part in ids.split([5, 1, 16, 2], dim=1)], dim=1)
    torch.testing.assert_close(row, alone, atol=2e-5, rtol=1e-4)


def test_gradients_are_those_of_each_alone():
    ids = torch.randint(0, 97, (1, 12), generator=torch.Generator().manual_seed(1))
    row, alone = gpt("llama"), gpt("llama")
    row.hidden(ids, documents=Documents([5, 7])).pow(2).sum().backward()
    sum(alone.hidden(part).pow(2).sum() for part in ids.split([5, 7], dim=1)).backward()
    for (name, mine), theirs in zip(row.named_parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad, atol=1e-4, rtol=1e-3, msg=name)


def test_a_row_may_be_longer_than_the_context_and_a_document_may_not():
    network = gpt("llama")
    ids = torch.zeros(1, 34, dtype=torch.int64)
    assert network.hidden(ids, documents=Documents([16, 16, 2])).shape == (1, 34, 32)
    with pytest.raises(ValueError, match="do not fit a context of 16"):
        network.hidden(ids, documents=Documents([17, 17]))
    with pytest.raises(ValueError, match="needs at least one"):
        Documents([3, 0])


def test_the_gated_product_has_its_own_gradient():
    gate, up = (torch.randn(3, 5, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(gated, (gate, up))
    torch.testing.assert_close(gated(gate, up), torch.nn.functional.silu(gate) * up)
