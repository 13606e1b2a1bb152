"""`luoxia evaluate` of a model that writes: what it prints, keeps and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_text import tiny_text_model

import luoxia

pytestmark = pytest.mark.usefixtures("one_thread", "tiny")


@pytest.fixture
def tiny(default_model_here, monkeypatch):
    model, loaded = tiny_text_model(context=400), []

    def load(name: str, *, device=None, threads=None):
        loaded.append(name)
        return model

    monkeypatch.setattr(luoxia, "load", load, raising=False)
    return loaded


SMALL = ("--shots", "0,2", "--limit", "4", "--draws", "2", "--samples", "2", "--max-tokens", "6")


def test_tables_on_standard_output_and_what_they_depend_on_beside_them(run, home, tiny):
    on = "perplexity,fewshot:cloze-en,samples"
    outcome = run("evaluate", "smollm2-135m-instruct", "--on", on, "-o", "out", *SMALL)
    assert outcome.code == 0, outcome.err
    assert tiny == ["smollm2-135m-instruct"]
    texts, few, samples = outcome.out.strip().split("\n\n")
    assert texts.splitlines()[0].split() == [
        "text",
        "tokens",
        "bytes",
        "perplexity",
        "bits",
        "per",
        "byte",
        "window",
        "stride",
    ]
    assert [line.split()[:2] for line in few.splitlines()[1:]] == [["cloze-en", "0"], ["cloze-en", "2"]]
    assert "distinct-1" in samples
    assert "Intervals: Wilson's where nothing is drawn" in outcome.err
    assert "Kept in out/evaluation.json; out/report.html shows it with plots." in outcome.err
    kept = json.loads((home / "out" / "evaluation.json").read_text(encoding="utf-8"))
    assert [row["shots"] for row in kept["few_shot"][0]["rows"]] == [0, 2]
    assert len(kept["samples"][0]["rows"]) == 2


def test_without_on_a_model_that_writes_is_asked_to_foretell(run, home):
    outcome = run("evaluate", "smollm2-135m-instruct")
    assert outcome.code == 0, outcome.err
    assert outcome.out.count("\n") == 3
    assert (home / "tiny-evaluation" / "report.html").is_file()


def test_two_models_side_by_side_on_prompts_of_ones_own(run, home, tiny):
    (home / "prompts.txt").write_text("tell me\n\nsing\n", encoding="utf-8")
    outcome = run(
        "evaluate", "smollm2-135m-instruct", "--on", "samples", "--beside", "other", "--prompts", "prompts.txt",
        "-o", "out", *SMALL,
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert tiny == ["smollm2-135m-instruct", "other"]
    assert outcome.out.splitlines()[0].split() == ["tiny", "tiny", "(2)"]
    html = (home / "out" / "report.html").read_text(encoding="utf-8")
    assert "<td>tell me</td>" in html


def test_a_chinese_reader_gets_chinese(run, home, monkeypatch):
    monkeypatch.setenv("LUOXIA_LANG", "zh")
    outcome = run("evaluate", "smollm2-135m-instruct", "--on", "fewshot:add-2", "-o", "out", *SMALL)
    assert "示例数" in outcome.out
    assert "逐字写对" in outcome.err
    assert "examples" not in outcome.out + (home / "out" / "report.html").read_text(encoding="utf-8")


def test_ctrl_c_keeps_what_is_measured(run, home, monkeypatch):
    from luoxia.recipes import text_samples

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(text_samples, "written", stop)
    outcome = run("evaluate", "smollm2-135m-instruct", "--on", "perplexity,samples", "-o", "out")
    assert (outcome.code, outcome.out) == (130, "")
    assert "stopped; what was measured before is kept" in outcome.err
    assert len(json.loads((home / "out" / "evaluation.json").read_text(encoding="utf-8"))["perplexity"]) == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--on", "perplexitty"), "--on 'perplexitty' is not known"),
        (("--on", "fewshot:sentimant"), "did you mean sentiment"),
        (("--on", ","), "nothing is asked for"),
        (("--on", "fewshot:add-2", "--shots", "0,x"), "--shots 0,x: write whole numbers"),
        (("--on", "fewshot:add-2", "--shots", "-1"), "--shots -1: write whole numbers"),
        (("--on", "fewshot:add-2", "--draws", "0"), "draws is 0; give a number from 1"),
        (("--on", "fewshot:add-2", "--limit", "0"), "limit is 0; give a number from 1"),
        (("--on", "perplexity:none.txt"), "none.txt cannot be read"),
        (("--on", "perplexity", "--stride", "0"), "stride 0"),
        (("--on", "samples", "--samples", "0"), "one sample and one prompt at least"),
        (("--on", "samples", "--max-tokens", "0"), "max_new_tokens is 0"),
        (("--on", "samples", "--prompts", "none.txt"), "none.txt cannot be read"),
        (
            ("--on", "samples", "--against", "none.txt"),
            "there is no none.txt to look samples up in",
        ),
    ],
)
def test_mistakes_are_told(run, home: Path, arguments, words):
    outcome = run("evaluate", "smollm2-135m-instruct", *arguments)
    assert outcome.code == 2
    assert words in outcome.err.splitlines()[-1]
    assert outcome.out == ""
