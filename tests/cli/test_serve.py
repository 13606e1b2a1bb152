"""`luoxia serve`: where it listens, whom it lets in, how it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import tiny_drawing
import tiny_verse

from luoxia.core.errors import FetchError

TESTS = Path(__file__).parents[1]


@pytest.fixture
def served(monkeypatch, default_model_here) -> list[dict]:
    """What the server would be run with."""
    calls: list[dict] = []

    def run(listening: socket.socket, **options) -> None:
        calls.append({"address": listening.getsockname()[:2], **options})

    monkeypatch.setattr("luoxia.server.run.run", run)
    return calls


def test_loopback_is_the_default(run, served) -> None:
    outcome = run("serve", "--port", "0", "--threads", "2")
    (host, port), hosts, threads, draws, writes = served[0].values()
    assert (host, hosts, threads, draws, writes) == ("127.0.0.1", ["127.0.0.1"], 2, [], [])
    assert outcome.out == f"Luoxia is at http://127.0.0.1:{port} (Ctrl-C ends it)\n"
    assert outcome.err == ""


def test_a_model_to_draw_with(run, refused, served, tmp_path: Path) -> None:
    folder = tiny_drawing.keep(tmp_path / "mine")
    run("serve", "--port", "0", "--draw-with", str(folder))
    assert served[0]["draw_with"] == [folder]
    assert "no model" in refused("serve", "--port", "0", "--draw-with", str(tmp_path / "nothing"))
    assert len(served) == 1


def test_a_model_to_write_poems_with(run, refused, served, tmp_path: Path) -> None:
    folder = tiny_verse.model(tmp_path / "mine")
    run("serve", "--port", "0", "--poem-with", str(folder))
    assert served[0]["poem_with"] == [folder]
    assert "no model of verse" in refused("serve", "--port", "0", "--poem-with", str(tmp_path / "nothing"))
    assert len(served) == 1


def test_six(run, served) -> None:
    outcome = run("serve", "--port", "0", "--host", "::1")
    assert outcome.out.startswith("Luoxia is at http://[::1]:")
    assert served[0]["hosts"] == ["[::1]"]


def test_a_port_in_use(refused, served) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = refused("serve", "--port", str(port))
    assert line == f"port {port} on 127.0.0.1 is in use; choose another with --port"
    assert served == []


def test_the_port_is_tried_before_a_model_is_fetched(
    refused, served, default_model_here, monkeypatch
) -> None:
    default_model_here.unlink()
    monkeypatch.setattr("luoxia.cli.readiness.fetch", lambda *_, **__: pytest.fail("fetched"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused("serve", "--port", str(taken.getsockname()[1]))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--port", "70000"], "'--port'"),
        (["--port", "http"], "'--port'"),
        (["--host", "192.0.2.1", "--open-to-network", "--port", "0"], "cannot listen on 192.0.2.1"),
        (["--host", "0.0.0.0"], "--open-to-network"),
        (["--host", "::"], "--open-to-network"),
        (["--host", "example.com"], "--open-to-network"),
    ],
)
def test_mistakes(refused, served, monkeypatch, arguments: list[str], words: str) -> None:
    lines = refused("serve", *arguments) if "0" not in arguments else None
    assert served == []
    if lines is not None:
        assert words in lines


def test_an_address_that_is_not_ours(run, served) -> None:
    outcome = run("serve", "--host", "192.0.2.1", "--open-to-network", "--port", "0")
    assert (outcome.code, served) == (2, [])
    assert outcome.err.splitlines()[-1].startswith("luoxia: cannot listen on 192.0.2.1 port 0")


def test_opening_to_the_network_warns(run, served) -> None:
    outcome = run(
        "serve", "--host", "0.0.0.0", "--open-to-network", "--allow-host", "lab.example", "--port", "0"
    )
    assert outcome.err.startswith("Warning: everybody who reaches 0.0.0.0")
    assert served[0]["hosts"] == ["0.0.0.0", "lab.example"]


def test_the_default_model_comes_first(refused, served, default_model_here, monkeypatch) -> None:
    default_model_here.unlink()

    def fetch(entry, *, progress):
        raise FetchError("no network", "没有网络")

    monkeypatch.setattr("luoxia.cli.readiness.fetch", fetch)
    assert refused("serve", "--port", "0") == "no network"
    assert served == []


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_real_server_starts_and_ends(default_model_here, ending: signal.Signals) -> None:
    """With a model that cannot be loaded: the server runs all the same, and a request is told why."""
    process = subprocess.Popen(
        [sys.executable, "-m", "luoxia", "serve", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=TESTS.parent,
        env=os.environ | {"PYTHONWARNINGS": "error"},
    )
    with process:
        url = process.stdout.readline().split()[3]
        assert httpx.get(f"{url}/api/status", timeout=20).json()["busy"] in (True, False)
        process.send_signal(ending)
        _, err = process.communicate(timeout=20)
    assert process.returncode == (0 if ending == signal.SIGINT else -signal.SIGTERM)
    assert "Traceback" not in err
