"""GPT's recipe: the dial, what a run learns, keeps, shows and refuses; and writing from its folder."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import tiny_corpus
import torch

import luoxia
from luoxia.cli.main import main
from luoxia.core.errors import MalformedFileError, UserError
from luoxia.core.runtime import Runtime
from luoxia.data import tokens
from luoxia.models.gpt import parameter_count
from luoxia.recipes import catalogue, session
from luoxia.recipes.gpt_dial import budget, completed, network
from luoxia.train.loop import Stop
from luoxia.train.settings import changed

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = Runtime(torch.device("cpu"), torch.float32, 1, "test")
SMALL = {"depth": 2, "width": 32, "heads": 2, "block_size": 32, "batch_size": 8, "precision": "float32"}
SMALL |= {"learning_rate": 3e-3, "steps": 4, "checkpoint_every": 2, "sample_every": 4}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUOXIA_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    tiny_corpus.keep(Path("a.tokens"), 200)


def begin(folder: str = "run", **changes) -> session.Session:
    return session.begin("gpt", "a.tokens", Path(folder), CPU, seed=1, changes=SMALL | changes)


def test_it_learns_and_begins_near_knowing_nothing() -> None:
    work = begin(steps=150, checkpoint_every=150, sample_every=150, warmup=5, learning_rate=0.01)
    before = work.training.scores(work.engine.sampled)
    assert before["nats_per_token"] == pytest.approx(math.log(257), rel=0.02)
    assert work.train()
    after = work.training.scores(work.engine.sampled)
    assert after["nats_per_token"] < 1.5  # the words are eight, their bytes almost certain
    held_out = tokens.read("a.tokens").held_out
    ratio = after["bits_per_byte"] / after["nats_per_token"]
    n = len(held_out.tokens)
    assert ratio == pytest.approx((n - 1) / math.log(2) / (held_out.bytes - held_out.bytes_before(1)))


def test_a_score_counts_every_held_out_token_once_whatever_the_window() -> None:
    """Of a model whose hidden layer is 0 each token costs ln V."""
    work = begin(block_size=7)
    for module in work.engine.sampled.values():
        for weight in module.parameters():
            weight.data.zero_()
    found = work.training.scores(work.engine.sampled)
    assert found["nats_per_token"] == pytest.approx(math.log(257), rel=1e-6)


def test_a_run_writes_texts_and_is_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    work = begin()
    assert work.train()
    shown = json.loads(Path("run/samples/step-00000004.json").read_text())
    assert len(shown) == 4
    assert shown[2].partition("▸")[0] in tiny_corpus.texts(200)[4]
    assert all(line in Path("run/report.html").read_text() for line in ("<h3>", "▸"))
    model = luoxia.load("run", threads=1)
    for name, tensor in work.engine.sampled["gpt"].state_dict().items():
        assert torch.equal(tensor, model.network.state_dict()[name]), name
    assert model.tokenizer.digest == tokens.read("a.tokens").tokenizer_digest
    assert model.stream("落霞", max_new_tokens=3, seed=1)
    main(["write", "落霞", "--raw", "--model", "run", "--max-tokens", "3", "--seed", "1"])
    main(["runs", "."])
    assert "bits_per_byte" in capsys.readouterr().out


def test_resumed_it_goes_on_as_it_was_begun() -> None:
    begin("straight", steps=6).train()
    work, stop = begin("stopped", steps=6), Stop()
    work.train(show=lambda report: setattr(stop, "asked", report.step == 3), stop=stop)
    assert work.engine.done == 4
    again = session.resume(Path("stopped"), CPU)
    assert again.engine.done == 4
    assert again.train()
    a, b = (Path(name, "model.safetensors").read_bytes() for name in ("straight", "stopped"))
    assert a == b


def test_another_corpus_in_the_place_of_the_first_is_refused() -> None:
    begin()
    tiny_corpus.keep(Path("a.tokens"), 100)
    with pytest.raises(UserError, match="content has changed"):
        session.resume(Path("run"), CPU)


def test_the_dial_sets_everything_and_what_is_set_stays() -> None:
    corpus, recipe = tokens.read("a.tokens"), catalogue.find("gpt")
    widths, weights, rates = [], [], []
    for depth in (2, 4, 8, 12):
        s = completed(changed(recipe.settings, {"depth": depth}), corpus)
        widths.append(s.width)
        weights.append(parameter_count(network(s, 50_000)))
        rates.append(s.learning_rate)
        assert s.width == s.heads * 64
        assert budget(s) <= 1.5 * 4 * len(corpus.train.tokens)
        assert s.batch_size % s.accumulate == 0
        assert completed(s, corpus) == s  # a run that goes on chooses nothing anew
    assert widths == [128, 256, 512, 768]
    assert weights[-1] == pytest.approx(124e6, rel=0.05)  # GPT-3 small
    assert rates == sorted(rates, reverse=True)
    asked = changed(recipe.settings, {"depth": 4, "steps": 7, "batch_size": 3, "width": 96, "tokens": 9_000})
    found = completed(asked, corpus)
    assert (found.steps, found.batch_size, found.width) == (7, 3, 96)
    told = changed(recipe.settings, {"depth": 2, "batch_size": 2, "block_size": 16, "tokens": 9_600})
    assert budget(completed(told, corpus)) == 9_600
    alone, two = completed(told, corpus), completed(told, corpus, 2)
    assert two.steps == alone.steps // 2


def test_it_keeps_within_documents_where_asked() -> None:
    work = begin(by_document=True)
    other = begin("other")
    same = {name: w.clone() for name, w in work.training.modules["gpt"].state_dict().items()}
    other.training.modules["gpt"].load_state_dict(same)
    apart, mixed = (w.training.scores(w.training.modules)["nats_per_token"] for w in (work, other))
    assert apart != mixed
    assert work.train()


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"depth": 0}, "depth is 0"),
        ({"optimizer": "sgd"}, "adamw or muon"),
        ({"mirror": True}, "mirror"),
        ({"width": -1}, "width is -1"),
        ({"block_size": 10**6}, "block_size="),
        ({"heads": 3, "width": 33}, "even part"),
    ],
)
def test_what_cannot_be_is_refused_before_the_folder_is_made(changes, match) -> None:
    with pytest.raises(UserError, match=match):
        begin(**changes)
    assert not Path("run").exists()


def test_pictures_and_texts_are_not_taken_for_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="no prepared corpus"):
        session.begin("gpt", "digits", Path("run"), CPU)
    with pytest.raises(UserError, match="--size"):
        session.begin("gpt", "a.tokens", Path("run"), CPU, size=64)
    assert main(["train", "vae", "--data", "digits", "--depth", "3"]) != 0
    assert "no option 'depth'" in capsys.readouterr().err


def test_a_run_without_weights_or_shape_is_said() -> None:
    begin()
    with pytest.raises(UserError, match="no weights yet"):
        luoxia.load("run")
    recipe = json.loads(Path("run/recipe.json").read_text())
    recipe["facts"]["network"] = {"n_layer": 2}
    Path("run/recipe.json").write_text(json.dumps(recipe))
    with pytest.raises(MalformedFileError, match="does not describe a GPT"):
        luoxia.load("run")
