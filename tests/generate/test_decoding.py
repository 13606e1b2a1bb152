import pytest
import torch

from luoxia.generate.decoding import continued
from luoxia.generate.sampling import Sampling
from luoxia.models.gpt import GPT, GPTConfig

DRAWN = Sampling(temperature=1.0, top_p=0.9, repetition_penalty=1.0)
PROMPTS = ([1], [2, 3, 4], [5, 6])


@pytest.fixture(scope="module")
def gpt() -> GPT:
    config = GPTConfig(20, 40, 2, 2, 32, norm="rmsnorm", position="rotary", mlp="swiglu")
    return GPT(config, torch.Generator().manual_seed(0)).requires_grad_(False).eval()


def test_a_sample_is_what_it_is_alone(gpt):
    together = continued(gpt, PROMPTS, 12, DRAWN, 7, first=3)
    alone = [continued(gpt, [ids], 12, DRAWN, 7, first=3 + i)[0] for i, ids in enumerate(PROMPTS)]
    assert together == alone
    assert [len(row) for row in together] == [12, 12, 12]
    assert continued(gpt, PROMPTS, 12, DRAWN, 7) != together


def test_a_row_ends_with_the_first_of_its_ends_and_the_others_go_on(gpt):
    whole = continued(gpt, PROMPTS, 12, DRAWN, 7)
    end = whole[0][4]
    found = continued(gpt, PROMPTS, 12, DRAWN, 7, ends=(end,))
    assert found == [row[: row.index(end) + 1] if end in row else row for row in whole]
    assert found[0][-1] == end
    assert max(map(len, found)) > len(found[0])


def test_the_network_is_not_asked_for_what_nobody_reads(gpt, monkeypatch):
    asked = []
    monkeypatch.setattr(gpt, "forward", lambda *given: asked.append(given) or GPT.forward(gpt, *given))
    first = continued(gpt, [[1]], 1, DRAWN, 7)[0]
    assert not asked
    continued(gpt, [[1], [1]], 12, DRAWN, 7, ends=range(20))
    assert not asked
    assert len(continued(gpt, [[1]], 3, DRAWN, 7)[0]) == 3
    assert len(asked) == 2
    assert len(first) == 1
