"""Fine-tuning from a file of examples to a model that answers as they do; resumed, ended early, refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tiny_base
import torch
from safetensors.torch import load_file

import luoxia
from luoxia.cli.main import main
from luoxia.core.errors import UserError
from luoxia.core.runtime import Runtime
from luoxia.recipes import session
from luoxia.recipes.finetune_dial import FinetuneSettings, chosen, completed
from luoxia.train import checkpoint
from luoxia.weights import adapter_folder, catalogue, own_texts

CPU = Runtime(torch.device("cpu"), torch.float32, 1, "test")
SMALL = {
    "base": "base",
    "name": "mine",
    "rank": 4,
    "steps": 6,
    "checkpoint_every": 3,
    "length": 96,
    "precision": "float32",
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LUOXIA_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    tiny_base.base(Path("base"))
    tiny_base.examples(Path("pairs.jsonl"))
    return tmp_path


def begin(folder: str = "run", data: str = "pairs.jsonl", **changes: object) -> session.Session:
    return session.begin("finetune", data, Path(folder), CPU, seed=1, changes=SMALL | changes)


def answer(name: str) -> str:
    model = luoxia.load(name, threads=1)
    return model.chat(
        [{"role": "user", "content": "is 77 a number?"}], temperature=0, max_new_tokens=8
    ).text()


@pytest.mark.parametrize("full", [False, True])
def test_it_answers_as_the_examples_do(full):
    before = answer("base")
    work = begin(steps=120, checkpoint_every=40, learning_rate=3e-3, full=full, batch_size=2)
    assert work.train()
    assert answer("mine") == "yes."
    assert before != "yes."
    found = json.loads(Path("run/evaluation.json").read_text())
    assert found["answers_nats_after"] < 0.5 < 3 < found["answers_nats_before"]
    assert found["general_perplexity_after"] != found["general_perplexity_before"]
    rows = found["tables"]["answers_beside"]
    assert {row["wanted"] for row in rows} == {"yes."} == {row["after"] for row in rows}
    assert all(row["before"] != "yes." for row in rows)
    page = Path("run/report.html").read_text()
    assert "Answers to held-out questions, before and after" in page
    own = own_texts.find("mine")
    assert own is not None
    assert (own.rank, own.facts["data"]["name"], own.facts["data"]["examples"]) == (
        0 if full else 4,
        "pairs.jsonl",
        36,
    )
    if not full:
        assert Path("run/adapter.json").exists()
        stack = adapter_folder.find("mine")
        assert stack is not None
        assert stack.parts[0][0].layers == ("q", "k", "v", "o", "gate", "up", "down")


def test_before_the_first_step_it_is_the_base():
    work = begin()
    study = work.training.study
    assert study is not None
    found = study(work.training.modules, lambda *_: None)
    assert found.scores["answers_nats_before"] == found.scores["answers_nats_after"]
    assert all(row["before"] == row["after"] for row in found.tables["answers_beside"])


def test_a_stopped_run_goes_on_as_if_nothing_had_been():
    straight = begin("straight", name="", dropout=0.1)
    assert straight.train()
    cut = begin("cut", name="", dropout=0.1)
    stream = iter(range(4))
    batches = session.Batches(cut.examples, cut.engine.settings.batch_size, seed=1)
    for step in stream:
        cut.engine.step(batches.at(step))
    checkpoint.save(cut.run.checkpoints, cut.engine.state())
    again = session.resume(Path("cut"), CPU)
    assert again.engine.done == 4
    assert again.train()
    a, b = (
        load_file(f"{folder}/train_state/step-00000006/state.safetensors") for folder in ("straight", "cut")
    )
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_it_ends_when_it_gets_no_better_and_keeps_the_best():
    work = begin(steps=60, checkpoint_every=2, learning_rate=9.0, warmup=1, clip=0, patience=2)
    scores = iter([1.0, 0.5, 0.7, 0.6, 0.4])
    training = work.training
    object.__setattr__(training, "scores", lambda _: {"nats_per_token": next(scores)})
    kept = []
    assert work.train(tell=lambda _: None, show=lambda report: kept.append(report.step))
    rows = [row for row in work.run.metrics.read() if "held_out_nats_per_token" in row]
    assert [row["step"] for row in rows] == [2, 4, 6, 8]
    best = load_file(checkpoint.folder_of(work.run.checkpoints, 4) / "state.safetensors")
    written = load_file("run/model.safetensors")
    for name, tensor in written.items():
        module, _, rest = name.partition(".")
        assert torch.equal(best[f"live.{module}/{rest}"], tensor)
    again = session.resume(Path("run"), CPU)
    assert again.train()
    assert again.engine.done == 8


def test_only_low_rank_maps_are_kept_and_the_base_stays_as_it_was():
    work = begin()
    before = {n: p.clone() for n, p in tiny_base.network().named_parameters()}
    assert work.train()
    assert all(name.startswith("adapter.maps.") for name in load_file("run/model.safetensors"))
    network = luoxia.load("base", threads=1).network
    assert all(torch.equal(p, before[n]) for n, p in network.named_parameters())


def test_a_base_that_has_changed_is_refused():
    begin().train()
    tiny_base.base(Path("base"), seed=9)
    with pytest.raises(UserError, match="its weights have changed"):
        session.resume(Path("run"), CPU)


def test_steps_and_batch_follow_from_the_data():
    rows = begin(steps=0).examples
    few = completed(FinetuneSettings(), rows)
    assert len(rows.train) // 8 == few.batch_size == 2
    assert few.steps == 60
    assert few.learning_rate == 1e-3
    assert completed(FinetuneSettings(full=True), rows).learning_rate == 5e-5
    assert completed(FinetuneSettings(epochs=2), rows).steps == len(rows.train)
    assert completed(FinetuneSettings(steps=7, batch_size=3), rows).steps == 7


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"layers": "q,w"}, "give all, attention, mlp, or some of q,k,v,o,gate,up,down"),
        ({"rank": 0}, "rank is 0; give 1 to 512"),
        ({"shard": True}, "leave shard out"),
        ({"base": "nobody"}, "no model 'nobody'"),
        ({"name": "../x"}, "is no name for a model"),
        ({"length": 10}, "leaves nothing to train on"),
    ],
)
def test_what_cannot_be_asked_for(changes, said):
    with pytest.raises(UserError, match=said) as caught:
        begin(**changes)
    assert caught.value.text.zh != caught.value.text.en
    assert not Path("run").exists()


def test_a_name_is_taken_once_and_an_adapter_is_no_base():
    begin().train()
    for changes, said in (({}, "there is a model mine already"), ({"base": "mine"}, "mine is an adapter")):
        with pytest.raises(UserError, match=said):
            begin("other", **changes)


def test_layers_by_name():
    assert chosen("attention") == ("q", "k", "v", "o")
    assert chosen("q, v") == ("q", "v")


def test_the_command_from_the_examples_to_an_answer(capsys, monkeypatch):
    monkeypatch.setenv("LUOXIA_LANG", "en")
    common = ["finetune", "base", "--data", "pairs.jsonl", "--lora", "4", "-o", "my-writer", "--seed", "1"]
    sets = ["--steps", "4", "--set", "precision=float32", "--set", "length=96", "--threads", "1"]
    assert main([*common, *sets, "--licence", "MIT"]) == 0
    told = capsys.readouterr()
    assert "40 examples, from question + answer" in told.err
    assert "held-out answers, nats per token, before" in told.out
    assert "--model my-writer" in told.err
    assert catalogue.place("my-writer").is_dir()
    assert (
        main(["write", "is 5 a number?", "--model", "my-writer", "--max-tokens", "4", "--threads", "1"]) == 0
    )
    capsys.readouterr()
    assert main(["models"]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("my-writer"))
    assert "MIT" in line
    assert main(["runs", "runs"]) == 0
    assert "finetune" in capsys.readouterr().out
    assert main(["models", "card", "my-writer"]) == 0
    assert "pairs.jsonl" in capsys.readouterr().out
    assert main([*common, *sets]) == 2
    assert "there is a model my-writer already" in capsys.readouterr().err
    assert main(["models", "remove", "my-writer"]) == 0
    assert main(["models", "remove", "my-writer"]) == 2
    for arguments, said in (
        (["finetune", "base", "--data", "pairs.jsonl"], "say which model"),
        ([*common, "--full"], "leave --lora and --layers out"),
    ):
        assert main(arguments) == 2
        assert said in capsys.readouterr().err
