"""The studio in a real browser, in front of the real server and the real model."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from luoxia.provenance.policy import SENTENCES
from luoxia.provenance.verify import HOLDS, verify
from luoxia.weights import catalogue
from luoxia.workspace.history import Workspace

pytestmark = pytest.mark.browser

LONG = "Write a very long story about a river in autumn."


@pytest.fixture(scope="module")
def home(model_path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The models that are here, and a history of the tests' own."""
    home = tmp_path_factory.mktemp("home")
    (home / "models").symlink_to(model_path.parents[1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LUOXIA_HOME", str(home))
        yield home


@pytest.fixture(scope="module")
def address(home: Path) -> Iterator[str]:
    """A studio started as a user starts it."""
    command = [sys.executable, "-m", "luoxia", "serve", "--port", "0"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "LUOXIA_LANG": "en", "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout
        line = next(line for line in process.stdout if "http://" in line)
        url = re.search(r"http://[\d.:]+", line)
        assert url, line
        _until_loaded(url[0])
        yield url[0]
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


def _until_loaded(url: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"{url}/api/status", timeout=5) as answer:
            if b'"loaded":"' in answer.read():
                return
        time.sleep(0.2)
    raise AssertionError("the model was not loaded within a minute")


@pytest.fixture
def page(visit, address: str) -> Iterator[Page]:
    with visit(address, "") as page:
        yield page


@pytest.fixture
def chinese_phone(visit, address: str) -> Iterator[Page]:
    with visit(address, "", locale="zh-CN", viewport={"width": 360, "height": 740}) as page:
        yield page


def _ask(page: Page, prompt: str) -> None:
    page.keyboard.type(prompt)  # the prompt has the focus on arrival
    expect(page.get_by_role("button", name="Write", exact=True)).to_be_enabled()  # once it knows the models
    page.keyboard.press("Enter")


LENGTHS = """() => {
  window.lengths = [];
  new MutationObserver(() => {
    const text = document.querySelector('article[aria-busy=true] .markdown');
    if (text) window.lengths.push(text.innerText.length);
  }).observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
}"""
GROWN = "() => window.lengths.filter((n, i, all) => i && n > all[i - 1]).length > 2"


def test_a_prompt_streams_its_answer_and_escape_stops_it(page):
    page.evaluate(LENGTHS)  # while it writes: the example that is shown before is longer than a beginning
    _ask(page, LONG)
    page.wait_for_function(GROWN, timeout=20_000)
    expect(page.get_by_role("article")).to_have_attribute("aria-busy", "true")
    page.keyboard.press("Escape")
    expect(page.get_by_role("article")).to_have_attribute("aria-busy", "false", timeout=5_000)
    answer = page.get_by_role("article").locator(".markdown")
    stopped = answer.inner_text()
    page.wait_for_timeout(700)
    assert answer.inner_text() == stopped
    assert len(stopped) > page.evaluate("() => Math.min(...window.lengths)")


def test_the_seed_of_an_answer_makes_it_again(page):
    def ask() -> str:
        _ask(page, "Name three colours.")
        expect(page.get_by_role("article")).to_have_attribute("aria-busy", "false", timeout=20_000)
        return page.get_by_role("article").locator(".markdown").inner_text()

    first = ask()
    page.get_by_role("button", name=re.compile(r"^Seed \d+")).click()
    prompt = page.get_by_placeholder("What shall be written?")
    prompt.fill("")
    prompt.focus()
    assert ask() == first


def test_every_answer_carries_its_label(page):
    expect(
        page.get_by_text("AI-generated").first
    ).to_be_visible()  # the worked example that is there on arrival


def test_an_answer_is_saved_with_its_label(page, tmp_path: Path):
    _ask(page, "Name three colours.")
    article = page.get_by_role("article")
    expect(article).to_have_attribute("aria-busy", "false", timeout=20_000)
    expect(article.get_by_text(SENTENCES["cn"])).to_be_visible()
    with page.expect_download() as saved:
        article.get_by_role("button", name="Save").click()
    assert saved.value.suggested_filename == "Name-three-colours.md"
    file = tmp_path / "answer.md"
    saved.value.save_as(file)
    found = verify(file)
    assert found.outcome == HOLDS
    with Workspace() as workspace:
        made = workspace.find(found.creation)
    assert made.made_from.models[0].sha256 == catalogue.find(catalogue.DEFAULT_TEXT_MODEL).sha256
    assert made.sketch in file.read_text(encoding="utf-8")


def test_a_chinese_prompt_is_offered_the_model_that_writes_chinese(chinese_phone):
    page = chinese_phone
    page.keyboard.type("秋天的河流")
    expect(page.get_by_text("1.12 GB").first).to_be_visible(timeout=5_000)
    expect(page.get_by_text("Apache-2.0 · Qwen")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (
        "the page is wider than the phone"
    )
    assert page.evaluate("document.documentElement.lang").startswith("zh")


def test_the_first_load_is_small(browser, address):
    context = browser.new_context()
    page = context.new_page()
    sizes: list[int] = []
    page.on("requestfinished", lambda request: sizes.append(request.sizes()["responseBodySize"]))
    page.goto(address)
    page.wait_for_load_state("networkidle")
    context.close()
    assert 0 < sum(sizes) < 150_000
