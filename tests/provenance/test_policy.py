import json
import subprocess
import sys
from pathlib import Path

import pytest

from luoxia.cli.main import main
from luoxia.core.errors import UserError
from luoxia.provenance import policy
from luoxia.provenance.policy import UNSET, Policy


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LUOXIA_HOME", str(tmp_path))
    return tmp_path


def test_until_one_is_set_everything_is_marked_and_the_missing_code_is_told() -> None:
    chosen = policy.load()
    assert chosen.embeds
    assert all(chosen.shows(kind) for kind in policy.KINDS)
    assert "AI" in chosen.mark
    assert "生成" in chosen.mark
    assert chosen.warning is not None
    assert UNSET in chosen.warning.en
    assert UNSET in chosen.warning.zh
    label = chosen.label("L01")
    assert (label.content_producer, label.content_propagator, label.label) == (UNSET, UNSET, "1")
    assert (label.produce_id, label.propagate_id) == ("L01", "L01")


@pytest.mark.parametrize(
    ("name", "embeds", "shows", "lifelike"), [("cn", 1, 1, 1), ("eu", 1, 0, 1), ("off", 0, 0, 0)]
)
def test_what_each_policy_asks_for(name: str, embeds: bool, shows: bool, lifelike: bool) -> None:
    chosen = Policy(name, "code", "a reason")
    assert chosen.embeds == embeds
    for kind in policy.KINDS:
        assert chosen.shows(kind) == shows
        assert chosen.shows(kind, lifelike=True) == lifelike


def test_one_that_is_saved_comes_back() -> None:
    for chosen in (
        Policy("eu", "c0de"),
        Policy("off", "", "理由"),
        Policy("cn", "001191440300708461136T1XGW3"),
    ):
        policy.save(chosen)
        assert policy.load() == chosen
    assert policy.load().warning is None
    assert policy.load().label("L1").content_producer == "001191440300708461136T1XGW3"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"name": 1}',
        b'{"name": "of"}',
        b'{"name": "off"}',
        b'{"nam": "cn"}',
        b"[" * 9000,
        b'{"producer": "a b"}',
        b'{"producer": 7}',
        b'{"reason": []}',
        b" " * 20_000,
        b"\xff",
    ],
)
def test_a_file_that_is_no_policy_stops_everything(data: bytes, home: Path) -> None:
    (home / "policy.json").write_bytes(data)
    with pytest.raises(UserError, match=r"policy\.json") as raised:
        policy.load()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501])
def test_off_needs_a_reason(reason: str) -> None:
    with pytest.raises(UserError, match="reason"):
        Policy("off", "", reason)


def test_the_command_sets_and_shows(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "show"]) == 0
    told = capsys.readouterr()
    assert "cn" in told.out
    assert UNSET in told.err
    assert main(["policy", "set", "cn", "--producer", "001191440300708461136T1XGW3"]) == 0
    assert capsys.readouterr().err == ""
    assert main(["policy", "set", "eu"]) == 0
    assert json.loads((home / "policy.json").read_bytes()) == {
        "name": "eu",
        "producer": "001191440300708461136T1XGW3",
        "reason": "",
        "copies": "flag",
        "gates": {},
    }
    assert "AI-generated" in capsys.readouterr().out
    assert main(["policy", "set", "off"]) == 2
    assert "--reason" in capsys.readouterr().err
    assert policy.load().name == "eu"
    assert main(["policy", "set", "off", "--reason", "tests"]) == 0
    assert "nothing is labelled" in capsys.readouterr().err
    assert policy.load() == Policy("off", "001191440300708461136T1XGW3", "tests")


@pytest.mark.parametrize(
    "arguments", [["set", "xx"], ["set", "cn", "--producer", "落霞"], ["set", "cn", "--producer", "a\\"]]
)
def test_the_command_refuses_in_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", *arguments]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not policy.place().exists()


def test_a_broken_file_can_be_set_anew(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "policy.json").write_bytes(b"{")
    assert main(["policy", "show"]) == 2
    assert main(["policy", "set", "cn"]) == 0
    assert "not kept" in capsys.readouterr().err
    assert policy.load() == Policy("cn")


def test_the_room_needs_no_torch() -> None:
    code = (
        "import sys, luoxia.provenance.carriers, luoxia.provenance.policy, luoxia.provenance.visible;"
        "print('torch' in sys.modules, 'av' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "False"]


@pytest.mark.parametrize("threshold", [None, 0.51, 0.9999])
def test_what_concerns_minors_is_never_judged_more_mildly(threshold: float | None) -> None:
    with pytest.raises(UserError, match="minors"):
        Policy(gates={"minors": threshold})
    assert Policy(gates={"minors": 0.3}).gates["minors"] == 0.3
