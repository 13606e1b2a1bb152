"""DALL·E's network: causal, apart in its vocabularies, the same with a cache, and at first as unsure as chance."""

from __future__ import annotations

import math

import pytest
import tiny_drawing
import torch

from luoxia.models.captions import PAD
from luoxia.models.dalle import Dalle, DalleConfig

SPARSE = ("row", "column", "dense", "/conv")


def tokens(model: Dalle, batch: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    c, generator = model.config, torch.Generator().manual_seed(2)
    ids = torch.randint(3, c.vocab_size, (batch, c.text_length), generator=generator)
    ids[0, 5:], ids[1, 3:] = PAD, PAD
    return ids, torch.randint(c.codes, (batch, c.places), generator=generator)


@pytest.mark.parametrize("sparse", [(), SPARSE])
def test_nothing_sees_what_comes_after_it(sparse: tuple[str, ...]) -> None:
    model = tiny_drawing.dalle(n_layer=4, sparse=sparse)
    ids, codes = tokens(model)
    t, width = model.config.text_length, model.config.n_embd
    x = torch.cat([model.embed_text(ids), model.embed_codes(codes, 0)], 1).requires_grad_()
    hidden = model.run(x)
    for place in (0, 4, t - 1, t, t + 6, hidden.shape[1] - 1):
        (slope,) = torch.autograd.grad(hidden[0, place] @ torch.randn(width), x, retain_graph=True)
        assert (slope[0, place + 1 :] == 0).all()
        assert (slope[1:] == 0).all()
        assert (slope[0, 0] != 0).any()


@pytest.mark.parametrize("sparse", [(), SPARSE])
def test_with_a_cache_it_says_the_same(sparse: tuple[str, ...]) -> None:
    model = tiny_drawing.dalle(n_layer=4, sparse=sparse)
    ids, codes = tokens(model)
    _, wanted = model(ids, codes)
    cache, n = model.cache(len(ids)), model.config.places
    found = [
        model.run(torch.cat([model.embed_text(ids), model.embed_codes(codes[:, :3], 0)], 1), cache)[:, -4:]
    ]
    found += [model.run(model.embed_codes(codes[:, i : i + 1], i), cache) for i in range(3, n - 1)]
    torch.testing.assert_close(model.head(torch.cat(found, 1)), wanted, atol=1e-4, rtol=1e-4)


def test_logits_of_captions_are_those_of_their_own_tokens() -> None:
    model = tiny_drawing.dalle()
    ids, codes = tokens(model)
    of_words, of_codes = model(ids, codes)
    c = model.config
    assert of_words.shape == (4 + 2 + c.text_length - 1, c.vocab_size)
    assert of_codes.shape == (3, c.places, c.codes)
    alone, _ = model(ids[1:2], codes[1:2])
    torch.testing.assert_close(of_words[4:6], alone, atol=1e-4, rtol=1e-4)


def test_each_place_of_the_square_and_of_the_padding_is_told() -> None:
    model = tiny_drawing.dalle()
    c = model.config
    same = model.embed_codes(torch.zeros(1, c.places, dtype=torch.long), 0)[0]
    assert len(same.unique(dim=0)) == c.places
    torch.testing.assert_close(
        model.embed_codes(torch.zeros(1, 2, dtype=torch.long), 5)[0], same[5:7], atol=0, rtol=0
    )
    empty = model.embed_text(torch.full((1, c.text_length), PAD))[0]
    assert len((empty - model.order).unique(dim=0)) == c.text_length


def test_at_first_it_is_as_unsure_as_chance() -> None:
    model = Dalle(DalleConfig(400, 200, 8, 4, 4, 4, 64), torch.Generator().manual_seed(0))
    ids, codes = tokens(model, 16)
    with torch.no_grad():
        of_words, of_codes = model(ids, codes)
    loss = torch.nn.functional.cross_entropy
    assert float(loss(of_codes.flatten(0, 1), codes.flatten())) == pytest.approx(math.log(200), rel=0.03)
    wanted = ids[:, 1:]
    assert float(loss(of_words, wanted[wanted != PAD])) == pytest.approx(math.log(400), rel=0.03)


def test_the_same_seed_gives_the_same_weights() -> None:
    config = DalleConfig(40, 20, 8, 4, 2, 2, 16)
    one, same, other = (Dalle(config, torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    for (name, a), b, c in zip(one.named_parameters(), same.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b), name
        assert "norm" in name or not torch.equal(a, c), name


def test_configs_are_checked_and_go_through_json() -> None:
    config = DalleConfig(40, 20, sparse=SPARSE)
    assert DalleConfig(**config.to_json()) == config
    for changes, words in [
        ({"codes": 0}, "codes is 0"),
        ({"text_length": 1}, "text_length is 1"),
        ({"n_head": 3}, "not a multiple"),
    ]:
        with pytest.raises(ValueError, match=words):
            DalleConfig(**({"vocab_size": 40, "codes": 20} | changes))
    with pytest.raises(ValueError, match="'diagonal' is not known"):
        Dalle(DalleConfig(40, 20, sparse=("diagonal",)))
