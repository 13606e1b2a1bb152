"""The page Fine-tune in a real browser; a process that learns nothing stands for the training."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import fake_finetune
import pytest
import tiny_base
from fake_text import FakeModel
from playwright.sync_api import Page, expect

from luoxia.server.app import create_app
from luoxia.server.finetune import process
from luoxia.server.finetune.trainings import Trainings
from luoxia.server.runner import Runner
from luoxia.weights import catalogue, text_folder

pytestmark = pytest.mark.browser

PHONE = {"width": 360, "height": 740}
ROWS = [{"question": f"is {i} a number?", "answer": "yes."} for i in range(30)]
PAIRS = "".join(json.dumps(row) + "\n" for row in ROWS)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LUOXIA_HOME", str(home))
        patch.setattr(process, "COMMAND", (sys.executable, fake_finetune.__file__))
        text_folder.keep(catalogue.place("tiny"), tiny_base.network(), tiny_base.chat_tokenizer(), {})
        yield home


@pytest.fixture(scope="module")
def address(home: Path, serve) -> Iterator[str]:
    with serve(create_app(models=Runner(lambda name: FakeModel()))) as address:  # type: ignore[arg-type]
        yield address


@pytest.fixture
def page(visit, address: str) -> Iterator[Page]:
    for run in Trainings().everything():
        Trainings().stop(run.name)
    with visit(address, "finetune", refused=True) as page:
        yield page


def choose(page: Page, content: str, name: str = "pairs.jsonl") -> None:
    page.locator("input[type=file]").set_input_files(
        {"name": name, "mimeType": "application/json", "buffer": content.encode()}
    )


def anew(page: Page, name: str) -> None:
    """Where there are trainings already, one of them may be shown."""
    page.wait_for_timeout(500)
    if page.get_by_role("button", name=name).count():
        page.get_by_role("button", name=name).click()


def test_a_file_is_read_planned_trained_and_compared(page: Page) -> None:
    choose(page, PAIRS)
    expect(page.get_by_text("30 examples, from question + answer")).to_be_visible()
    expect(page.get_by_text("is 0 a number?")).to_be_visible()
    expect(page.get_by_text("steps go")).to_be_visible(timeout=20_000)
    page.get_by_role("textbox", name="Name of the result").fill("first")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("heading", name="first")).to_be_visible()
    expect(page.get_by_role("progressbar")).to_be_visible()
    expect(page.locator(".tag")).to_have_text("Done", timeout=30_000)
    expect(page.get_by_role("img", name="Loss by step")).to_be_visible()
    expect(page.locator("polyline.learned")).to_have_attribute("points", re.compile(r"(\S+ ){19}\S+"))
    row = page.locator(".row")
    expect(row).to_contain_text("<b>perhaps</b>")  # as text
    expect(row).to_contain_text("yes.")
    page.reload()
    expect(page.get_by_role("heading", name="first")).to_be_visible()


def test_lines_that_are_wrong_are_named_and_nothing_begins(page: Page) -> None:
    anew(page, "New")
    choose(page, '{"question": "a", "answer": "b"}\n{"question": "<script>alert(1)</script>"}\n')
    expect(page.get_by_role("alert")).to_contain_text("line 2: no answer")
    expect(page.get_by_role("button", name="Start")).to_have_count(0)
    choose(page, PAIRS)
    expect(page.get_by_text("30 examples")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_it_is_stopped_gone_on_with_and_taken_away(page: Page) -> None:
    anew(page, "New")
    choose(page, PAIRS)
    page.get_by_role("spinbutton", name="Steps").fill("400")
    page.get_by_role("spinbutton", name="Steps").press("Tab")
    page.get_by_role("textbox", name="Name of the result").fill("second")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_text(re.compile(r"Step [1-9]\d* of 400"))).to_be_visible(timeout=20_000)
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".tag")).to_have_text("Stopped", timeout=20_000)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".tag")).to_have_text("Stopped", timeout=20_000)
    page.get_by_role("button", name="Remove…").click()
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(page.get_by_role("heading", name="second")).to_have_count(0)


def test_it_speaks_chinese_on_a_phone_and_nothing_runs_over(visit, address: str) -> None:
    with visit(address, "finetune", locale="zh-CN", viewport=PHONE) as page:
        expect(page.get_by_role("heading", name="微调")).to_be_visible()
        anew(page, "新建")
        choose(page, PAIRS)
        expect(page.get_by_text("30 个样例")).to_be_visible()
        assert page.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"]
        assert page.evaluate("() => document.querySelector('.finetune').scrollWidth") <= PHONE["width"]
