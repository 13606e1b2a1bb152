"""The likelihood of answers, all computed at once, against one at a time and against the reference."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from families import reference

from luoxia.core.runtime import Runtime
from luoxia.evaluate.token_tree import Request, common, score
from luoxia.models.gpt import GPT, GPTConfig
from luoxia.weights.assemble import assemble
from luoxia.weights.huggingface import from_huggingface, read_config

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = Runtime(torch.device("cpu"), torch.float32, 1, "test")


def requests(
    vocab: int, *, shared: int = 20, items: int = 5, end: bool = False, seed: int = 0
) -> list[Request]:
    random = np.random.default_rng(seed)
    before, found = tuple(random.integers(0, vocab, shared).tolist()), []
    for _ in range(items):
        context = before + tuple(random.integers(0, vocab, random.integers(1, 9)).tolist())
        for _ in range(3):  # few different tokens, so that answers begin alike
            found.append(Request(context, tuple(random.integers(0, 3, random.integers(1, 5)).tolist()), end))
    return found


def alone(logits: torch.Tensor, request: Request) -> tuple[np.ndarray, list[bool], int]:
    """Of the logits (T, V) of a context with its answer."""
    rows = logits[len(request.context) - 1 : -1].double().log_softmax(-1)
    answer = torch.tensor(request.answer)
    chosen = rows[torch.arange(len(answer)), answer].numpy()
    return chosen, (rows.argmax(-1) == answer).tolist(), int(logits[-1].argmax())


@pytest.mark.parametrize("name", ["gpt2", "llama"])
@torch.no_grad()
def test_against_transformers(name, tmp_path):
    theirs = reference(name)
    theirs.config.to_json_file(tmp_path / "config.json")
    config, family = read_config(tmp_path / "config.json")
    tensors = from_huggingface(theirs.state_dict(), family, config)
    if config.tied_head:
        tensors.pop("head.weight", None)
    network = assemble(config, dict(tensors), CPU, source="test")
    asked = requests(config.vocab_size, end=True)
    for request, found in zip(asked, score(network, asked, nodes=40), strict=True):
        logits = theirs(torch.tensor([request.context + request.answer])).logits[0]
        expected, likeliest, after = alone(logits, request)
        np.testing.assert_allclose(found.logprobs, expected, atol=1e-4)
        assert found.likeliest.tolist() == likeliest
        assert found.next == after


@pytest.mark.parametrize(
    "changes", [{}, {"position": "rotary", "n_kv_head": 2}, {"band": 7}], ids=["learned", "rotary", "banded"]
)
@pytest.mark.parametrize("nodes", [1, 16, 512])
@torch.no_grad()
def test_whatever_is_shared_and_however_it_is_cut(changes, nodes):
    config = GPTConfig(
        **({"vocab_size": 61, "block_size": 48, "n_layer": 3, "n_head": 4, "n_embd": 32} | changes)
    )
    network = GPT(config, torch.Generator().manual_seed(0)).eval()
    for parameter in network.parameters():
        parameter.mul_(4)
    asked = [
        *requests(61),
        Request((5,), (7, 8)),
        Request((5, 7, 8), (1,)),
        Request((60,) * 44, (1, 2, 3, 4)),
    ]
    for request, found in zip(asked, score(network, asked, nodes=nodes), strict=True):
        expected, likeliest, _ = alone(network(torch.tensor([request.context + request.answer]))[0], request)
        np.testing.assert_allclose(found.logprobs, expected, atol=1e-4)
        assert found.total == pytest.approx(expected.sum(), abs=2e-4)
        assert found.likeliest.tolist() == likeliest
        assert found.next == -1


def test_what_is_shared_is_computed_once(monkeypatch):
    network = GPT(GPTConfig(61, 48, 1, 2, 16), torch.Generator().manual_seed(0)).eval()
    seen, hidden = [], network.hidden
    monkeypatch.setattr(network, "hidden", lambda ids, cache: seen.append(ids.shape[1]) or hidden(ids, cache))
    context = tuple(range(30))
    score(network, [Request((*context, q), (40, a)) for q in (1, 2) for a in range(50, 60)])
    # the common beginning; then two questions, and of the answers the one token before the last
    assert seen == [30, 4]


def test_progress_counts_every_request():
    network, heard = GPT(GPTConfig(61, 48, 1, 2, 16), torch.Generator().manual_seed(0)).eval(), []
    asked = requests(61)
    score(network, asked, nodes=16, heard=heard.append)
    assert heard == list(range(1, len(asked) + 1))


def test_what_sequences_begin_with():
    assert common([(1, 2, 3), (1, 2), (1, 2, 4)]) == 2
    assert common([(1, 2)]) == 2
    assert common([(1,), (2,)]) == 0
    assert common([]) == 0
