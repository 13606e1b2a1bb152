"""The server as `luoxia serve` runs it, in this process, until a signal ends it."""

from __future__ import annotations

import os
import signal
import socket
import threading

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from luoxia.server import run as running
from luoxia.server.faces.asks import JobEvent
from luoxia.server.faces.room import Faces
from luoxia.server.runner import Runner

ASK = {"messages": [{"role": "user", "content": "hello"}], "stream": True}


def test_ctrl_c_tells_streams_and_waits_for_the_model(model, monkeypatch, until) -> None:
    model.gate, model.lingers = threading.Semaphore(1), 0.5
    runner = Runner(lambda name: model)
    monkeypatch.setattr(running, "Runner", lambda threads: runner)
    read: list[str] = []

    def visit(url: str) -> None:
        with httpx.stream("POST", f"{url}/v1/chat/completions", json=ASK, timeout=10) as answer:
            for line in answer.iter_lines():
                read.append(line)
                if "Evening" in line:
                    os.kill(os.getpid(), signal.SIGINT)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        visitor = threading.Thread(target=visit, args=[f"http://127.0.0.1:{listening.getsockname()[1]}"])
        visitor.start()
        running.run(listening, threads=2)
    visitor.join(timeout=5)
    assert '"code":"stopping"' in read[-2]
    assert model.streams[0].finish_reason == "cancelled"
    assert runner.join(0)


def test_ctrl_c_gives_up_long_work_and_closes_websockets(model, monkeypatch) -> None:
    faces = Faces()
    monkeypatch.setattr(running, "Runner", lambda threads: Runner(lambda name: model))
    monkeypatch.setattr(running, "Faces", lambda threads: faces)
    read: list[str] = []

    def work(report) -> JobEvent:
        while True:
            report(JobEvent(state="working", done=1, total=2))
            threading.Event().wait(0.01)

    def visit(url: str) -> None:
        job = faces.jobs.start(work)
        with (
            connect(url.replace("http", "ws") + "/api/faces/live") as live,
            httpx.stream("GET", f"{url}/api/faces/jobs/{job.id}", timeout=10) as answer,
        ):
            for line in answer.iter_lines():
                read.append(line)
                if "working" in line and len(read) == 1:
                    os.kill(os.getpid(), signal.SIGINT)
            with pytest.raises(ConnectionClosed):
                live.recv(5)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        visitor = threading.Thread(target=visit, args=[f"http://127.0.0.1:{listening.getsockname()[1]}"])
        visitor.start()
        running.run(listening, threads=2)
    visitor.join(timeout=5)
    assert '"state":"cancelled"' in read[-2]
    assert faces.jobs.join(0)


def test_it_does_not_say_what_it_is_made_of(model, monkeypatch) -> None:
    monkeypatch.setattr(running, "Runner", lambda threads: Runner(lambda name: model))
    headers: list[httpx.Headers] = []

    def visit(url: str) -> None:
        headers.append(httpx.get(f"{url}/api/status", timeout=10).headers)
        os.kill(os.getpid(), signal.SIGINT)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        visitor = threading.Thread(target=visit, args=[f"http://127.0.0.1:{listening.getsockname()[1]}"])
        visitor.start()
        running.run(listening)
    visitor.join(timeout=5)
    assert "server" not in headers[0]
