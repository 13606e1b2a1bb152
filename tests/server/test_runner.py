"""One model, many clients: turns, queues, and clients that leave."""

from __future__ import annotations

import asyncio
import json
import threading

import httpx
import pytest

from luoxia.core.errors import ModelNotHereError
from luoxia.server.app import create_app
from luoxia.server.errors import BusyError, StoppingError
from luoxia.server.runner import Ended, Opened, Runner, Wrote

ASK = {"messages": [{"role": "user", "content": "hello"}]}


def starting(prompt: str = "hello"):
    return [lambda model: model.stream(prompt, seed=1)]


async def everything(runner: Runner, name: str = "smollm2-135m-instruct", starts=None) -> list:
    return [event async for event in runner.answer(name, starts or starting())]


def test_the_order_of_events(runner: Runner) -> None:
    kinds = [type(event) for event in asyncio.run(everything(runner, starts=starting() * 2))]
    assert kinds == [Opened, Wrote, Wrote, Wrote, Ended] * 2


def test_nothing_is_loaded_before_it_is_needed_and_one_model_is_kept(model) -> None:
    loaded: list[str] = []

    def load(name: str):
        loaded.append(name)
        return type(model)(id=name)

    runner = Runner(load)
    assert (loaded, runner.model) == ([], None)
    for name in ("one", "one", "two", "one"):
        asyncio.run(everything(runner, name))
        assert runner.model.id == name
    assert loaded == ["one", "two", "one"]
    runner.close()


def test_the_old_model_is_let_go_before_the_next_is_loaded(model) -> None:
    kept: list[object] = []

    def load(name: str):
        kept.append(runner.model)
        return type(model)(id=name)

    runner = Runner(load)
    for name in ("one", "two"):
        asyncio.run(everything(runner, name))
    assert kept == [None, None]
    runner.close()


def test_a_failure_to_load_belongs_to_who_asked_and_the_next_one_tries_again(model) -> None:
    answers = iter([ModelNotHereError("not here", "不在"), model])

    def load(name: str):
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    runner = Runner(load)
    with pytest.raises(ModelNotHereError):
        asyncio.run(everything(runner))
    assert len(asyncio.run(everything(runner))) == 5
    runner.close()


def test_one_at_a_time_in_order_and_no_more_than_may_wait(runner: Runner, model, until) -> None:
    model.gate = threading.Semaphore(0)
    order: list[str] = []

    async def ask(name: str) -> None:
        async for event in runner.answer("m", starting(name)):
            if isinstance(event, Ended):
                order.append(name)

    async def scene() -> None:
        tasks = []
        for count, name in enumerate("abc"):
            tasks.append(asyncio.create_task(ask(name)))
            await asyncio.to_thread(until, lambda: len(model.streams) == 1 and runner.queued == count)  # noqa: B023
        assert runner.busy
        with pytest.raises(BusyError, match="2 requests"):
            await asyncio.wait_for(ask("d"), 5)
        for _ in range(9):
            model.gate.release()
        await asyncio.gather(*tasks)

    asyncio.run(scene())
    assert order == ["a", "b", "c"]
    assert [stream._prompt for stream in model.streams] == ["a", "b", "c"]
    until(lambda: not runner.busy)


def test_who_leaves_the_queue_is_never_started(runner: Runner, model, until) -> None:
    model.gate = threading.Semaphore(0)

    async def scene() -> None:
        first = asyncio.create_task(everything(runner))
        await asyncio.to_thread(until, lambda: model.streams)
        second = asyncio.create_task(everything(runner, starts=starting("left")))
        await asyncio.to_thread(until, lambda: runner.queued == 1)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        assert runner.queued == 0
        for _ in range(3):
            model.gate.release()
        await first

    asyncio.run(scene())
    assert [stream._prompt for stream in model.streams] == ["hello"]


def test_who_leaves_in_the_middle_stops_the_model(runner: Runner, model, until) -> None:
    model.gate = threading.Semaphore(1)

    async def scene() -> None:
        events = runner.answer("m", starting() * 3)
        assert isinstance(await anext(events), Opened)
        assert isinstance(await anext(events), Wrote)
        await events.aclose()

    asyncio.run(scene())
    until(lambda: model.streams[0].finish_reason == "cancelled" and not runner.busy)
    assert len(model.streams) == 1  # the other two were not begun


def test_closing_ends_everybody(runner: Runner, model, until) -> None:
    model.gate = threading.Semaphore(0)

    async def scene() -> None:
        tasks = [asyncio.create_task(everything(runner)) for _ in range(2)]
        await asyncio.to_thread(until, lambda: model.streams and runner.queued == 1)
        runner.close()
        outcomes = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
        assert [type(outcome) for outcome in outcomes] == [StoppingError, StoppingError]
        with pytest.raises(StoppingError):
            await everything(runner)

    asyncio.run(scene())
    until(lambda: runner.join(0))


def test_the_server_is_busy_and_says_so(client: httpx.Client, model, runner: Runner, until) -> None:
    model.gate = threading.Semaphore(0)
    statuses: list[int] = []

    def ask() -> None:
        statuses.append(
            httpx.post(f"{client.base_url}/v1/chat/completions", json=ASK, timeout=20).status_code
        )

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    until(lambda: model.streams and runner.queued == 2)
    status = client.get("/api/status").json()
    assert (status["busy"], status["queued"]) == (True, 2)
    refused = client.post("/v1/chat/completions", json=ASK, headers={"Accept-Language": "zh-CN"})
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
    assert refused.json()["error"]["message"] == "已有 2 个请求在排队，请稍后再试"
    for _ in range(9):
        model.gate.release()
    for asker in askers:
        asker.join()
    assert statuses == [200, 200, 200]


@pytest.mark.parametrize("stream", [True, False])
def test_a_vanished_client_frees_the_model_at_once(
    client: httpx.Client, model, runner, until, stream
) -> None:
    """The model waits for a token that never comes: only the client's leaving can end this."""
    model.gate = threading.Semaphore(1)
    gone = httpx.Client(base_url=client.base_url, timeout=0.3)
    with (
        pytest.raises(httpx.ReadTimeout),
        gone.stream("POST", "/v1/chat/completions", json=ASK | {"stream": stream}) as answer,
    ):
        for _ in answer.iter_bytes():
            pass
    gone.close()
    until(lambda: model.streams[0].finish_reason == "cancelled" and not runner.busy)


def test_a_queued_client_that_vanishes_is_dropped(client: httpx.Client, model, runner, until) -> None:
    model.gate = threading.Semaphore(0)
    first = threading.Thread(target=lambda: client.post("/v1/chat/completions", json=ASK))
    first.start()
    until(lambda: model.streams)
    for stream in (True, False):
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{client.base_url}/v1/chat/completions", json=ASK | {"stream": stream}, timeout=0.2)
    until(lambda: runner.queued == 0)
    for _ in range(3):
        model.gate.release()
    first.join()
    assert len(model.streams) == 1


def test_a_slow_reader_does_not_hold_the_model(client: httpx.Client, model, runner, until) -> None:
    model.script = lambda prompt: ["word " * 1000] * 900
    with client.stream("POST", "/v1/chat/completions", json=ASK | {"stream": True}) as answer:
        until(lambda: model.streams and model.streams[0].finish_reason == "stop")
        until(lambda: not runner.busy)
        chunks = [json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: {")]
    assert sum(len(c["choices"][0]["delta"]["content"] or "") for c in chunks) == 900 * 5000


def test_the_first_words_arrive_before_the_last_are_made(client: httpx.Client, model) -> None:
    model.gate = threading.Semaphore(0)
    with client.stream("POST", "/v1/chat/completions", json=ASK | {"stream": True}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = (line for line in answer.iter_lines() if line)
        assert json.loads(next(lines)[6:])["luoxia"]["seed"] == model.streams[0].seed
        for word in ("Evening ", "glow ", "落霞"):
            model.gate.release()
            assert json.loads(next(lines)[6:])["choices"][0]["delta"]["content"] == word
        assert json.loads(next(lines)[6:])["choices"][0]["finish_reason"] == "stop"
        assert next(lines) == "data: [DONE]"


def test_the_default_model_is_warm_after_the_start(serving, model, default_model_here, until) -> None:
    runner = Runner(lambda name: model)
    with serving(create_app(models=runner)) as url:
        until(lambda: runner.model)
        status = httpx.get(f"{url}/api/status").json()
        assert (status["loaded"], status["device"], status["threads"]) == (model.id, "cpu", 2)
    assert runner._worker.closed


def test_a_model_that_is_not_here_is_not_warmed(serving) -> None:
    runner = Runner(lambda name: pytest.fail("loaded"))
    with serving(create_app(models=runner)) as url:
        assert httpx.get(f"{url}/api/status").json()["loaded"] is None


def test_a_broken_model_does_not_keep_the_server_down(serving, default_model_here, caplog, until) -> None:
    def load(name: str):
        raise RuntimeError("broken")

    with serving(create_app(models=Runner(load))) as url:
        until(lambda: "RuntimeError" in caplog.text)
        assert httpx.get(f"{url}/api/status").status_code == 200


def test_the_servers_end_ends_streams(serving, model, until) -> None:
    model.gate = threading.Semaphore(0)
    ends: list[str] = []

    def read(url: str) -> None:
        try:
            ends.append(httpx.post(f"{url}/v1/chat/completions", json=ASK, timeout=20).text)
        except httpx.HTTPError as error:
            ends.append(type(error).__name__)

    with serving(create_app(models=Runner(lambda name: model))) as url:
        reader = threading.Thread(target=read, args=[url])
        reader.start()
        until(lambda: model.streams)
    reader.join(timeout=5)
    assert not reader.is_alive()
    until(lambda: model.streams[0].finish_reason == "cancelled")
