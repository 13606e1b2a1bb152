"""The page Poem in a real browser, in front of a real server that writes with a model of a few thousand weights."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny_verse
from catalogue_less import without
from fake_text import FakeModel
from playwright.sync_api import Page, expect

from luoxia.provenance.policy import SENTENCES
from luoxia.provenance.verify import HOLDS, verify
from luoxia.server.app import create_app
from luoxia.server.poem import poets
from luoxia.server.poem.room import Poems
from luoxia.server.runner import Runner
from luoxia.weights import catalogue
from luoxia.workspace.history import Workspace
from luoxia.workspace.replay import replay

pytestmark = pytest.mark.browser

PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def pace() -> Iterator[dict[str, float]]:
    """How long each character takes."""
    pace = {"seconds": 0.0}
    plain = poets.Poets.write

    def slowed(self, ask, superseded, drafts):
        def slow(*given):
            time.sleep(pace["seconds"])
            drafts(*given)

        return plain(self, ask, superseded, slow)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(poets.Poets, "write", slowed)
        yield pace


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LUOXIA_HOME", str(home))
        with without("verse"):
            yield home


@pytest.fixture(scope="module")
def address(home: Path, serve, pace) -> Iterator[str]:
    app = create_app(models=Runner(lambda name: FakeModel()), poems=Poems(threads=1))  # type: ignore[arg-type]
    with serve(app) as address:
        yield address


@pytest.fixture
def model(home: Path) -> Path:
    return tiny_verse.model(catalogue.place("tiny"))


@pytest.fixture
def opened(visit, address: str, model: Path, pace):
    pace["seconds"] = 0.0
    return lambda **options: visit(address, "poem", **options)


@pytest.fixture
def page(opened) -> Iterator[Page]:
    with opened() as page:
        finished(page)
        yield page


@pytest.fixture
def refused(opened) -> Iterator[Page]:
    """A page whose server may refuse what it is asked."""
    with opened(refused=True) as page:
        finished(page)
        yield page


def finished(page: Page, count: int = 2) -> list[list[str]]:
    """The lines of the poems that are shown, once they are all there."""
    expect(page.locator("article")).to_have_attribute("aria-busy", "false", timeout=20_000)
    expect(page.locator(".leaf")).to_have_count(count)
    return [
        [line.inner_text() for line in leaf.locator(".line > .unseen").all()]
        for leaf in page.locator(".leaf").all()
    ]


def write(page: Page, theme: str) -> None:
    box = page.get_by_role("textbox", name=re.compile("Prompt|提示"))
    box.fill(theme)
    with page.expect_request(
        "**/api/poem/write"
    ):  # by then the page says that it is busy, for however short a while
        box.press("Enter")


def test_it_opens_with_an_example_already_written_and_the_prompt_focused(page: Page) -> None:
    poems = finished(page)
    assert [[len(line) for line in poem] for poem in poems] == [[8] * 4] * 2
    assert poems[0][0].endswith("，")
    assert poems[0][3].endswith("。")
    expect(page.get_by_text("An example, written on this machine")).to_be_visible()
    expect(page.get_by_text("AI-generated", exact=True)).to_be_visible()
    expect(page.get_by_role("textbox", name="Prompt")).to_be_focused()
    expect(page.get_by_role("heading", name="秋水长天").first).to_be_visible()


def test_poems_appear_as_they_are_written_and_escape_stops(page: Page, pace) -> None:
    pace["seconds"] = 0.3
    write(page, "山水")
    draft = page.locator(".draft").first
    expect(draft).to_contain_text(re.compile("[\u4e00-\u9fff]"), timeout=5_000)
    before = len(draft.inner_text().split())
    page.wait_for_function(
        "n => document.querySelector('.draft').innerText.split(/\\s+/).length > n", arg=before
    )
    page.keyboard.press("Escape")
    expect(page.get_by_text("Stopped by you.")).to_be_visible(timeout=5_000)
    pace["seconds"] = 0
    page.get_by_role("button", name="Write it").click()
    expect(page.locator(".leaf")).to_have_count(2, timeout=20_000)


def test_choices_are_kept_to_and_part_of_the_result(page: Page) -> None:
    page.get_by_role("combobox", name="Form").select_option("五律")
    page.get_by_role("combobox", name="Rhymes").select_option("新韵")
    page.get_by_role("combobox", name="In whose manner").select_option("李白")
    page.get_by_role("textbox", name="Acrostic").fill("山水")
    page.get_by_role("combobox", name="Poems").select_option("1")
    write(page, "")
    (poem,) = finished(page, 1)
    assert [line[0] for line in poem[:2]] == ["山", "水"]
    assert [len(line) for line in poem] == [6] * 8
    leaf = page.locator(".leaf")
    expect(leaf).to_contain_text("五律 · 新韵")
    expect(leaf).to_contain_text("After 李白")
    page.reload()
    assert finished(page, 1) == [poem]
    page.get_by_role("button", name="Use settings").click()
    expect(page.get_by_role("textbox", name="Acrostic")).to_have_value("山水")
    page.get_by_role("button", name="Again").click()  # with the seed that is locked now
    assert finished(page, 1) == [poem]


def test_tones_and_rhymes_are_shown_on_demand(page: Page) -> None:
    assert page.locator(".tone").count() == 0
    page.get_by_role("button", name="Tones and rhymes").click()
    expect(page.locator(".leaf").first.locator(".tone")).to_have_count(28)
    assert set("".join(page.locator(".leaf").first.locator(".tone").all_inner_texts())) <= set("平仄中")
    assert page.locator(".leaf").first.locator(".rhymes").count() in (2, 3)
    expect(page.get_by_text("It keeps to its form, 七绝.").first).to_be_visible()


def test_a_poem_is_copied_and_saved_with_its_label(page: Page, tmp_path: Path) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    lines = finished(page)[0]
    leaf = page.locator(".leaf").first
    leaf.get_by_role("button", name="Copy").click()
    expect(leaf.get_by_text("Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    poem = f"{lines[0]}{lines[1]}\n{lines[2]}{lines[3]}"
    expect(leaf.get_by_text(SENTENCES["cn"])).to_be_visible()
    assert copied == f"{SENTENCES['cn']}\n\n《秋水长天》\n{lines[0]}{lines[1]}\n{lines[2]}{lines[3]}\n"
    with page.expect_download() as download:
        leaf.get_by_role("button", name="Save").click()
    assert download.value.suggested_filename == "秋水长天.txt"
    file = tmp_path / "poem.txt"
    download.value.save_as(file)
    assert file.read_text(encoding="utf-8").startswith(f"{SENTENCES['cn']}\n\n秋水长天\n{poem}")
    found = verify(file)
    assert found.outcome == HOLDS
    with Workspace() as workspace:
        saved = workspace.find(found.creation)
    assert (saved.made_from.prompt, saved.made_from.seed) == ("秋水长天", 1)
    assert replay(saved).outcome == "identical"


def test_a_poem_that_was_not_written_here_is_not_saved_as_such(refused: Page, home: Path) -> None:
    finished(refused)
    for file in home.glob("workspace.db*"):
        file.unlink()
    refused.locator(".leaf").first.get_by_role("button", name="Save").click()
    expect(refused.get_by_role("alert")).to_contain_text("the history has no such text")


def test_the_nearest_old_poem_is_shown_when_asked(page: Page, home: Path) -> None:
    leaf = page.locator(".leaf").first
    leaf.get_by_role("button", name="Nearest old poem").click()
    expect(leaf.get_by_text("luoxia data get verse")).to_be_visible()
    leaf.get_by_role("button", name="Nearest old poem").click()
    expect(leaf.get_by_text("luoxia data get verse")).to_have_count(0)


def test_a_poem_of_ones_own_is_checked_as_it_is_typed(refused: Page) -> None:
    page = refused
    page.locator(".tabs").get_by_text("Check").click()
    article = page.locator("article")
    expect(article).to_contain_text("It keeps to its form, 五绝.")
    box = page.get_by_role("textbox", name="Prompt")
    box.fill("白日依山尽，黄河入海去。\n欲穷千里目，更上一层楼。")
    expect(article.get_by_text("line 2: 去 should be level")).to_be_visible()
    expect(article.locator(".cell.wrong")).to_have_count(1)
    expect(article.locator(".cell.wrong")).to_contain_text("仄→平")
    expect(article.locator(".line.marked")).to_contain_text("黄河入海去")
    box.fill("<img src=x onerror=alert(1)>")
    expect(page.get_by_role("alert")).to_contain_text("no Chinese character")
    box.fill("白日依山尽，黄河入海流。欲穷千里目，更上一层楼。")
    expect(article).to_contain_text("It keeps to its form, 五绝.")
    expect(page.get_by_role("alert")).to_have_count(0)


def test_arrows_walk_and_history_finds_a_line(page: Page) -> None:
    write(page, "山")
    first = finished(page)
    write(page, "水")
    second = finished(page)
    assert first != second
    page.get_by_role("button", name="Clear the prompt").click()
    page.keyboard.press("ArrowLeft")
    assert finished(page) == first
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type(second[1][2][:4])
    rows = page.get_by_role("dialog").get_by_role("listitem")
    expect(rows).to_have_count(1)
    page.keyboard.press("Enter")
    assert finished(page) == second


def test_what_cannot_be_is_told_in_place(refused: Page) -> None:
    refused.get_by_role("textbox", name="Acrostic").fill("abc")
    refused.get_by_role("textbox", name="Prompt").press("Enter")
    expect(refused.get_by_role("alert")).to_contain_text("Chinese characters")
    expect(refused.locator(".leaf")).to_have_count(2)


def test_it_speaks_chinese_on_a_phone_and_nothing_runs_over(opened) -> None:
    with opened(locale="zh-CN", viewport=PHONE) as page:
        finished(page)
        expect(page.get_by_role("link", name="诗词")).to_be_visible()
        expect(page.locator(".leaf").first).to_contain_text("七绝 · 平水韵")
        page.get_by_role("button", name="平仄与韵脚").click()
        wide = "() => document.documentElement.scrollWidth"
        assert page.evaluate(wide) <= PHONE["width"]
        lines = page.locator(".leaf .lines").first.bounding_box()
        assert lines is not None
        assert lines["x"] >= 0
        assert lines["x"] + lines["width"] <= PHONE["width"]


def test_without_a_model_it_says_what_to_do_and_still_checks(visit, address: str, home: Path, pace) -> None:
    for path in (home / "models").glob("*/model.json"):
        path.unlink()
    with visit(address, "poem") as page:
        expect(page.get_by_text("luoxia train verse --data verse")).to_be_visible()
        page.locator(".tabs").get_by_text("Check").click()
        expect(page.locator("article")).to_contain_text("五绝")
