"""The page Draw in a real browser, in front of a real server that draws with a model of a few thousand weights."""

from __future__ import annotations

import hashlib
import io
import re
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tiny_drawing
from catalogue_less import without
from fake_text import FakeModel
from PIL import Image
from playwright.sync_api import Page, expect

from luoxia.provenance import ids
from luoxia.provenance.verify import HOLDS, verify
from luoxia.server.app import create_app
from luoxia.server.draw import atelier
from luoxia.server.draw.room import Drawings
from luoxia.server.runner import Runner
from luoxia.weights import catalogue
from luoxia.workspace.history import Workspace

pytestmark = pytest.mark.browser

PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def pace() -> Iterator[dict[str, float]]:
    """How long each code takes."""
    pace = {"seconds": 0.0}
    plain = atelier._watched

    def watched(*given):
        watch = plain(*given)

        def slow(codes, done, total):
            time.sleep(pace["seconds"])
            watch(codes, done, total)

        return slow

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(atelier, "_watched", watched)
        yield pace


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LUOXIA_HOME", str(home))
        with without("drawings"):
            yield home


@pytest.fixture(scope="module")
def address(home: Path, serve, pace) -> Iterator[str]:
    app = create_app(models=Runner(lambda name: FakeModel()), drawings=Drawings(threads=1))  # type: ignore[arg-type]
    with serve(app) as address:
        yield address


@pytest.fixture
def model(home: Path) -> Path:
    return tiny_drawing.keep(
        catalogue.place("tiny"), clip=tiny_drawing.clip(), facts={"styles": ["flat", "3d"]}
    )


@pytest.fixture
def opened(visit, address: str, model: Path, pace):
    pace["seconds"] = 0.0
    return lambda **options: visit(address, "draw", **options)


@pytest.fixture
def page(opened) -> Iterator[Page]:
    with opened() as page:
        finished(page)
        yield page


def finished(page: Page) -> list[str]:
    """Names of the pictures that are shown, once they are all there."""
    page.wait_for_function(
        """() => {
            const article = document.querySelector('article');
            const tiles = [...document.querySelectorAll('.tile')];
            return article?.ariaBusy === 'false' && tiles.length > 0
                && tiles.every((tile) => !tile.disabled && tile.querySelector('canvas').dataset.shown);
        }""",
        timeout=20_000,
    )
    return [tile.get_attribute("aria-label") or "" for tile in page.locator(".tile").all()]


def look(page: Page, i: int = 0) -> np.ndarray:
    """Tile ``i`` as it is on the screen at rest, (48, 48, 3)."""
    page.wait_for_timeout(350)
    png = page.locator(".tile canvas").nth(i).screenshot()
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB").resize((48, 48)), float)


def differ(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).mean())


def draw(page: Page, prompt: str) -> None:
    box = page.get_by_role("textbox", name=re.compile("Prompt|提示"))
    box.fill(prompt)
    box.press("Enter")
    expect(page.locator("article > header")).to_contain_text(prompt)


def seed(page: Page) -> str:
    return page.get_by_role("spinbutton", name="Seed").input_value()


def kept(page: Page) -> list[list[list[int]]]:
    """Codes of the pictures of each result, the newest first."""
    return page.evaluate(
        """() => Object.keys(localStorage).filter((key) => key.startsWith('luoxia.drawn.'))
            .map((key) => JSON.parse(localStorage.getItem(key)))
            .sort((a, b) => b.at - a.at).map(({ codes }) => codes)"""
    )


def test_it_opens_with_an_example_already_drawn_and_the_prompt_focused(page: Page) -> None:
    names = finished(page)
    assert names == [f"Picture {i} of 4: a red heart with an arrow" for i in range(1, 5)]
    expect(page.get_by_text("An example, drawn on this machine")).to_be_visible()
    expect(page.get_by_text("AI-generated").first).to_be_visible()
    expect(page.get_by_role("textbox", name="Prompt")).to_be_focused()
    assert look(page).std() > 5


def test_something_is_there_at_once_and_pictures_fill_in(page: Page, pace) -> None:
    pace["seconds"] = 0.5
    page.keyboard.type("a red square")
    page.keyboard.press("Enter")
    expect(page.get_by_role("progressbar", name="Drawing")).to_be_visible(timeout=1_000)
    page.wait_for_function("() => document.querySelector('.tile canvas').dataset.shown")
    first = look(page)  # how soon it is there, benchmarks/draw_live.py measures
    page.wait_for_function(
        "() => Number(document.querySelector('[role=progressbar]')?.ariaValueNow ?? 100) >= 50",
        timeout=15_000,
    )
    assert differ(look(page), first) > 3
    pace["seconds"] = 0
    finished(page)
    expect(page.locator("p[aria-live]").filter(has_text="4 pictures are ready.")).to_have_count(1)


def test_escape_stops_and_the_same_seed_draws_what_was_stopped(page: Page, pace) -> None:
    pace["seconds"] = 0.2
    draw(page, "a red square")
    expect(page.get_by_role("progressbar", name="Drawing")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_text("Stopped by you.")).to_be_visible(timeout=2_000)
    stopped = seed(page)
    pace["seconds"] = 0
    page.get_by_role("button", name="Draw it").click()
    finished(page)
    first = look(page)
    expect(page.get_by_role("button", name=f"Seed {stopped}")).to_be_visible()
    page.get_by_role("button", name=f"Seed {stopped}").click()
    page.get_by_role("button", name="Again").click()
    finished(page)
    assert differ(look(page), first) < 1


def test_arrows_walk_through_results_which_are_there_after_a_reload(page: Page) -> None:
    draw(page, "a red square")
    finished(page)
    red = look(page)
    draw(page, "a blue square 2")
    finished(page)
    assert differ(look(page), red) > 3
    page.get_by_role("button", name="Clear the prompt").click()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("article > header")).to_contain_text("a red square")
    finished(page)
    assert differ(look(page), red) < 1
    page.reload()
    finished(page)
    expect(page.locator("article > header")).to_contain_text("a blue square 2")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("article > header")).to_contain_text("a red square")
    finished(page)
    assert differ(look(page), red) < 1  # of its codes
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox", name="Search prompts")).to_be_focused()
    page.keyboard.type("blue")
    rows = page.get_by_role("dialog").get_by_role("listitem")
    expect(rows).to_have_count(1)
    expect(rows.locator("img")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.locator("article > header")).to_contain_text("a blue square 2")


def test_what_a_closed_tab_left_is_drawn_when_it_comes_back(page: Page, pace) -> None:
    pace["seconds"] = 0.2
    draw(page, "a red square")
    expect(page.get_by_role("progressbar", name="Drawing")).to_be_visible()
    page.reload()
    pace["seconds"] = 0
    finished(page)
    expect(page.locator("article > header")).to_contain_text("a red square")


def test_drawing_goes_on_while_another_page_is_looked_at(page: Page, pace) -> None:
    pace["seconds"] = 0.1
    draw(page, "a red square")
    page.get_by_role("link", name="Models").click()
    pace["seconds"] = 0
    page.wait_for_timeout(1_000)
    page.get_by_role("link", name="Draw").click()
    finished(page)
    expect(page.locator("article > header")).to_contain_text("a red square")


def test_style_number_and_settings_are_part_of_the_result(page: Page) -> None:
    page.get_by_role("combobox", name="Style").select_option("flat")
    page.get_by_role("combobox", name="Pictures").select_option("2")
    page.get_by_role("slider", name="Guidance").fill("2")
    draw(page, "a red square")
    assert len(finished(page)) == 2
    expect(page.locator("article > header")).to_contain_text("flat style")
    page.get_by_text("AI-generated").click()
    label = page.locator("article details")
    expect(label).to_contain_text("Pictures 2 · Best of 8 · Guidance 2")
    expect(label).to_contain_text("a red square, flat style")
    expect(label).to_contain_text("made here")
    expect(label.get_by_text(re.compile(r"^-?0\.\d{3} · -?0\.\d{3}$"))).to_be_visible()
    drawn = seed(page)
    draw(page, "a blue square 2")
    finished(page)
    page.get_by_role("button", name="Restore defaults").click()
    page.get_by_role("combobox", name="Style").select_option("")
    page.get_by_role("button", name="Older result").click()
    page.get_by_role("button", name="Use settings").click()
    expect(page.get_by_role("combobox", name="Style")).to_have_value("flat")
    expect(page.get_by_role("spinbutton", name="Guidance")).to_have_value("2")
    expect(page.get_by_role("textbox", name="Prompt")).to_have_value("a red square")
    assert seed(page) == drawn
    expect(page.get_by_role("button", name="Keep this seed")).to_have_attribute("aria-pressed", "true")


def test_a_part_is_redrawn_by_keyboard_and_the_rest_stays(page: Page) -> None:
    draw(page, "a red square")
    finished(page)
    source = kept(page)[0][0]
    page.get_by_role("button", name="Redraw a part").click()
    page.get_by_role("textbox", name="Prompt").fill("a blue square 1")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Nothing is marked")
    page.get_by_role("button", name="Row 1, column 1").focus()
    for key in ("ArrowDown", "ArrowDown", "Space", "ArrowRight", "Space", "ArrowDown", "Space"):
        page.keyboard.press(key)
    expect(page.get_by_text("3 of 16 squares will be redrawn.")).to_be_visible()
    expect(page.get_by_role("button", name="Row 4, column 2")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Lower half").click()
    expect(page.get_by_text("8 of 16 squares will be redrawn.")).to_be_visible()
    page.get_by_role("textbox", name="Prompt").press("Enter")
    expect(page.locator("article > header")).to_contain_text("a blue square 1")
    finished(page)
    expect(page.get_by_role("alert")).to_have_count(0)
    made = kept(page)[0]
    assert [codes[:8] for codes in made] == [source[:8]] * 4
    assert all(codes[8:] != source[8:] for codes in made)


def test_squares_are_painted_with_a_pointer(page: Page) -> None:
    page.get_by_role("button", name="Redraw a part").click()
    boxes = [page.get_by_role("button", name=f"Row 2, column {c}").bounding_box() for c in (1, 4)]
    places = [(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2) for box in boxes if box]
    page.mouse.move(*places[0])
    page.mouse.down()
    page.mouse.move(*places[1], steps=12)
    page.mouse.up()
    expect(page.get_by_text("4 of 16 squares will be redrawn.")).to_be_visible()
    page.mouse.click(*places[1])
    expect(page.get_by_text("3 of 16 squares will be redrawn.")).to_be_visible()


def test_variations_of_the_chosen_picture(page: Page) -> None:
    page.locator(".tile").nth(2).click()
    expect(page.locator(".tile").nth(2)).to_have_attribute("aria-pressed", "true")
    chosen = look(page, 2)
    page.get_by_role("button", name="Vary").first.click()
    expect(page.get_by_role("slider", name="Strength")).to_be_visible()
    finished(page)
    expect(page.get_by_text("Begins with")).to_have_count(1)
    assert differ(look(page, 0), chosen) > 1


def test_a_picture_of_ones_own_is_completed(opened, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    Image.fromarray(np.full((40, 80, 3), (200, 60, 40), np.uint8)).save(tmp_path / "half.png")
    with opened(refused=True) as page:
        finished(page)
        chooser = page.locator("input[type=file]")
        chooser.set_input_files(tmp_path / "notes.txt")
        expect(page.get_by_role("alert")).to_contain_text("not a picture in a known format")
        chooser.set_input_files(tmp_path / "half.png")
        expect(page.get_by_text("8 of 16 squares will be redrawn.")).to_be_visible()
        expect(page.get_by_role("alert")).to_have_count(0)
        page.get_by_role("button", name="Draw", exact=True).click()  # without a word
        expect(page.locator("article > header")).to_contain_text("Without words")
        finished(page)


def test_a_picture_is_enlarged_traced_and_saved_with_its_label(page: Page, tmp_path: Path) -> None:
    page.get_by_role("button", name="Enlarge").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("1024 px").click()
    with page.expect_download() as saved:
        dialog.get_by_role("button", name="Save the PNG").click()
    assert saved.value.suggested_filename == "a-red-heart-with-an-arrow.png"
    file = tmp_path / saved.value.suggested_filename
    saved.value.save_as(file)
    with Image.open(file) as image:
        assert image.size == (1024, 1024)
    found = verify(file)
    assert (found.outcome, found.credential.holds) == (HOLDS, True)
    assert found.watermark.number == ids.number_of(found.creation)
    with Workspace() as workspace:
        made = workspace.find(found.creation)
    assert made.file_sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert (made.made_from.prompt, made.made_from.command) == ("a red heart with an arrow", "draw file")
    dialog.get_by_text("Vector (SVG)").click()
    with page.expect_download() as saved:
        dialog.get_by_role("button", name="Save the SVG").click()
    vector = tmp_path / saved.value.suggested_filename
    saved.value.save_as(vector)
    assert vector.read_text().startswith("<svg ")
    assert (verify(vector).outcome, verify(vector).credential.holds) == (HOLDS, True)
    expect(dialog.get_by_role("img", name="AI-generated picture: a red heart with an arrow")).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_what_cannot_be_drawn_is_said_in_place(page: Page) -> None:
    page.get_by_role("textbox", name="Prompt").fill("…")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("the prompt says nothing")
    expect(page.get_by_role("textbox", name="Prompt")).to_have_value("…")
    finished(page)  # what was there before
    draw(page, "a red square")
    finished(page)
    expect(page.get_by_role("alert")).to_have_count(0)


def test_without_a_model_it_says_what_to_do(opened, model: Path) -> None:
    (model / "model.json").rename(model / "away.json")
    with opened() as page:
        expect(page.get_by_role("heading", name="No model that draws from words")).to_be_visible()
        expect(page.get_by_text("luoxia train dalle --data icons")).to_be_visible()
        expect(page.get_by_role("button", name="Draw", exact=True)).to_be_disabled()
        (model / "away.json").rename(model / "model.json")
        page.get_by_role("button", name="Try again").click()
        finished(page)


def test_a_picture_goes_to_faces_and_a_face_comes_back(page: Page) -> None:
    page.get_by_role("button", name="To Faces").click()
    expect(page.get_by_role("tab", name="Photo")).to_have_attribute("aria-selected", "true")
    page.get_by_role("tab", name="Explore").click()
    page.wait_for_function(
        "() => document.querySelector('[data-asked] canvas')?.dataset.shown", timeout=30_000
    )
    page.get_by_role("button", name="Draw with it").click()
    expect(page.get_by_text("Mark what to redraw")).to_be_visible(timeout=10_000)


def test_a_chinese_phone(opened) -> None:
    with opened(locale="zh-CN", viewport=PHONE, color_scheme="dark", has_touch=True) as page:
        assert finished(page)[0] == "第 1 张，共 4 张：一颗红色的心"
        page.get_by_role("button", name="戴墨镜的猫").click()
        expect(page.locator("article > header")).to_contain_text("戴墨镜的猫")
        finished(page)
        page.get_by_role("button", name="重画局部").click()
        expect(page.get_by_text("标出要重画之处")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.evaluate("document.documentElement.lang").startswith("zh")
        page.get_by_role("button", name="展开设置").click()
        expect(page.get_by_role("slider", name="引导强度")).to_be_visible()


def test_the_example_speaks_the_readers_language(page: Page) -> None:
    page.get_by_role("button", name="中文").click()
    expect(page.locator("article > header")).to_contain_text("一颗红色的心")
    finished(page)
