"""One browser for all pages, and a server in a thread."""

from __future__ import annotations

import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
import uvicorn
import written_by
from playwright.sync_api import Browser, Page, sync_playwright

from luoxia.workspace import later, models_used


@pytest.fixture(scope="module", autouse=True)  # other rooms ask for files
def _models_without_files() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(models_used._MODELS, "write", written_by.nobody)
        patch.setattr(later, "IDLE_SECONDS", 1)
        yield
    for worker in later._begun:  # of the films
        worker.wait(60)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")
    if program is None:
        pytest.skip("no Chromium on this machine; on Debian: apt install chromium")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=flags)
        yield browser
        browser.close()


@contextmanager
def served(app: Any) -> Iterator[str]:
    """The address of a real server of ``app``."""
    config = uvicorn.Config(
        app, port=0, log_level="error", ws="websockets-sansio", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="session")
def serve() -> Callable[[Any], AbstractContextManager[str]]:
    return served


@contextmanager
def opened(
    browser: Browser, address: str, page_name: str, *, init: str = "", refused: bool = False, **options: Any
) -> Iterator[Page]:
    """A page in a browser of its own; at its end nothing was asked of another machine, and nothing complained, but of what
    the server ``refused``."""
    context = browser.new_context(
        **{"locale": "en-GB", "viewport": {"width": 1280, "height": 800}, **options}
    )
    page = context.new_page()
    asked: list[str] = []
    problems: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url.replace("ws", "http", 1)))
    page.on(
        "console",
        lambda message: problems.append(message.text) if message.type in ("error", "warning") else None,
    )
    page.on("pageerror", lambda error: problems.append(str(error)))
    if init:
        page.add_init_script(init)
    page.goto(f"{address}/#/{page_name}")
    yield page
    context.close()
    local = (address, "data:", "blob:")
    assert not [url for url in asked if not url.startswith(local)], "a request left the machine"
    if refused:
        problems = [text for text in problems if not re.search("status of 40[04]", text)]
    assert not problems


@pytest.fixture(scope="session")
def visit(browser: Browser) -> Callable[..., AbstractContextManager[Page]]:
    return lambda *given, **options: opened(browser, *given, **options)
