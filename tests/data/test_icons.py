"""Icons: what is drawn follows from the seed, what is kept back stays away, and captions say what is seen."""

from __future__ import annotations

import dataclasses
import os

import numpy as np
import pytest
import tiny_icons

from luoxia.core.errors import UserError
from luoxia.core.language import Text
from luoxia.core.seeds import generator
from luoxia.data import (
    icon_captions,
    icon_combinations,
    icon_looks,
    icon_names,
    icon_packages,
    icon_stock,
    icons,
)
from luoxia.data.icon_choice import says_colour
from luoxia.data.icon_combinations import NEW_COMBINATIONS, kept_back
from luoxia.data.icon_packages import MAKERS, STYLES
from luoxia.data.icon_painting import Painter
from luoxia.data.icon_words import COLOURS
from luoxia.data.images import load
from luoxia.data.svg import transparent
from luoxia.weights.catalogue import is_here

FETCHED, HOME = (
    icon_packages.NAMES,
    os.environ.get("LUOXIA_HOME"),
)  # before a test puts its own in their place


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        yield tiny_icons.publish(patch, tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def stock(shelf, tmp_path_factory):
    atlas = tmp_path_factory.mktemp("atlas") / "atlas"
    return icon_stock.take(shelf[:2], atlas, 64, lambda *_: None)


@pytest.fixture(scope="module")
def planner(stock):
    shown = tuple(dataclasses.replace(d, held_out=False) for d in stock.drawings)
    return icons.Planner(dataclasses.replace(stock, drawings=shown), 0)


@pytest.fixture(scope="module")
def drawn(shelf, tmp_path_factory):
    return icons.draw(tmp_path_factory.mktemp("set") / "icons.data", 32, 60, makers=shelf)


# --- what goes in


def test_drawings_have_names_in_both_languages_and_flags_of_countries_stay_out(stock):
    assert {d.icon for d in stock.drawings} == set(tiny_icons.THINGS) - {"flag-japan"}
    cat = stock.concepts["1F431"]
    assert (cat.en, cat.zh, cat.family) == ("cat face", "猫脸", "cat")
    assert "cat" in cat.others_en
    assert "猫" in cat.others_zh
    assert stock.concepts["1F680"].others_en == ("spaceship",)


def test_the_licences_are_those_that_the_packages_state(stock):
    assert stock.licence[0] == "Set 0 by A. Maker, MIT, https://example.org/set, @iconify-json/noto 1.0.0"
    assert stock.licence[-1].startswith("names by emojibase")


@pytest.mark.parametrize("spdx", ["CC-BY-SA-4.0", "CC-BY-NC-4.0", "GPL-3.0", ""])
def test_terms_that_are_not_permissive_are_refused(spdx, tmp_path, monkeypatch):
    makers = tiny_icons.publish(monkeypatch, tmp_path, spdx=spdx)
    with pytest.raises(UserError, match="which icons do not use"):
        icon_stock.take(makers, tmp_path / "atlas", 16, lambda *_: None)


def test_packages_that_are_not_here_are_asked_for_and_nothing_is_fetched(tmp_path, monkeypatch):
    monkeypatch.setenv("LUOXIA_HOME", str(tmp_path))
    with pytest.raises(UserError, match="luoxia data get icons"):
        load("icons")


def test_every_package_is_pinned_and_permissive_styles_have_one_maker_each():
    assert len({m.style for m in MAKERS}) == len(MAKERS)
    assert {m.style for m in MAKERS} == set(STYLES)
    for entry in icon_packages.entries():
        assert len(entry.sha256) == 64
        assert entry.sources[0].startswith("npm:")


def test_a_card_can_say_exactly_what_went_in(shelf, stock):
    shares = icons.contents(makers=shelf)
    assert [s.style for s in shares] == ["cartoon", "flat"]
    assert [s.source for s in shares] == list(stock.licence[:2])
    assert sum(s.drawings for s in shares) == len(stock.drawings)
    assert len(icons.contents(everything=True, makers=shelf)) == 3


# --- the set


def test_the_set_holds_every_drawing_first_and_no_art_that_is_not_shown(drawn, shelf):
    assert drawn.images.shape == (60, 3, 32, 32)
    assert len(drawn.captions) == 60
    assert set(np.unique(drawn.labels)) <= {0, 2}  # cartoon and flat
    assert drawn.classes[2] == "flat"
    assert len(drawn.licence) == 3
    first = drawn.images[:18].reshape(18, -1).astype(int)
    assert len(np.unique(first, axis=0)) == 18
    assert (first.min(1) < 200).all()


def test_the_set_for_judges_has_all_makers(shelf, tmp_path):
    made = icons.draw(tmp_path / "all.data", 16, 40, everything=True, makers=shelf)
    assert "simple" in {made.classes[k] for k in made.labels[:27]}
    assert made.name == "icons-all-16"


def test_the_same_seed_draws_the_same_bytes_whatever_the_count(drawn, shelf, tmp_path):
    again = icons.draw(tmp_path / "again.data", 32, 40, makers=shelf)
    assert np.array_equal(again.images, drawn.images[:40])
    assert again.captions == drawn.captions[:40]


def test_it_is_drawn_once_and_then_read(shelf, monkeypatch):
    monkeypatch.setattr(icons, "MAKERS", shelf)
    monkeypatch.setattr(icon_packages, "MAKERS", shelf)
    monkeypatch.setattr(icons.draw, "__kwdefaults__", {**icons.draw.__kwdefaults__, "makers": shelf})
    monkeypatch.setattr(icon_packages.require, "__defaults__", (shelf,))
    monkeypatch.setattr(icons, "MOST", 30)
    first = load("icons", size=16)
    monkeypatch.setattr(icons, "draw", None)
    assert load("icons", size=16).digest == first.digest


def test_held_out_drawings_are_in_no_scene(planner, monkeypatch):
    monkeypatch.setattr(icon_stock, "HELD_OUT", 2)
    drawings = tuple(
        dataclasses.replace(d, held_out=icon_stock.held_out(d.maker, d.icon)) for d in planner.stock.drawings
    )
    halved = icons.Planner(dataclasses.replace(planner.stock, drawings=drawings), 0)
    out = {i for i, d in enumerate(drawings) if d.held_out}
    assert 0 < len(out) < len(drawings)
    for index in range(300):
        assert not out & {item.drawing for item in halved.composed(index).items}


# --- scenes


def scenes(planner, kind, count=400):
    return [s for s in map(planner.composed, range(count)) if s.kind == kind]


def test_every_kind_comes_and_plain_ones_are_the_most(planner):
    kinds = [planner.composed(i).kind for i in range(400)]
    assert set(kinds) == set(icons_kinds())
    assert max(set(kinds), key=kinds.count) == "plain"


def icons_kinds():
    from luoxia.data.icon_scenes import KINDS

    return KINDS


def test_a_scene_follows_from_seed_and_index(planner):
    other = icons.Planner(planner.stock, 1)
    assert [planner.composed(i) for i in range(20)] == [planner.composed(i) for i in range(20)]
    assert [planner.composed(i) for i in range(20)] != [other.composed(i) for i in range(20)]


def test_counts_are_as_many_as_the_caption_says(planner):
    words = {2: ("two", "两"), 3: ("three", "三"), 4: ("four", "四"), 5: ("five", "五")}
    found = scenes(planner, "count")
    assert found
    for scene in found:
        en, zh = words[len(scene.items)]
        assert en in scene.caption.en
        assert zh in scene.caption.zh
        assert len({(item.x, item.y) for item in scene.items}) == len(scene.items)


def test_another_colour_is_what_the_caption_says(planner, stock):
    painter = Painter(planner.stock, 32)
    for scene in scenes(planner, "colour"):
        said = next(name for name in sorted(COLOURS, key=len, reverse=True) if name in scene.caption.en)
        assert COLOURS[said][0].zh in scene.caption.zh
        if scene.items[0].colour:
            assert scene.items[0].colour == said
        pixels = painter.paint(scene).reshape(3, -1).T.astype(int)
        painted = pixels[np.abs(pixels - 255).sum(1) > 60]
        common = (
            np.median(painted[painted.max(1) > 60], axis=0) if said != "black" else np.median(painted, axis=0)
        )
        nearest = sorted(COLOURS, key=lambda name: np.abs(common - COLOURS[name][1]).sum())[:3]
        assert said in nearest, scene


def test_what_is_worn_lies_on_top_within_the_picture(planner):
    found = scenes(planner, "worn")
    assert {planner.stock.drawings[s.items[1].drawing].icon for s in found} == {"sunglasses", "crown"}
    for scene in found:
        wearer, worn = scene.items
        word = {"sunglasses": "墨镜", "crown": "皇冠"}[planner.stock.drawings[worn.drawing].icon]
        assert f"戴{word}的" in scene.caption.zh
        for item in scene.items:
            left, top, right, bottom = planner.of.look(item.drawing).box
            for at, edges in ((item.x, (left, right)), (item.y, (top, bottom))):
                assert all(0 <= at + (edge - 0.5) * item.scale <= 1 for edge in edges)
        if word == "墨镜":  # the eyes are under them
            eyes = planner.of.look(wearer.drawing).eyes
            assert abs(wearer.y + (eyes[1] - 0.5) * wearer.scale - worn.y) < 0.05
        else:  # its lower edge rests a little below the top of the head
            head = wearer.y + (planner.of.look(wearer.drawing).crown[1] - 0.5) * wearer.scale
            foot = worn.y + (planner.of.look(worn.drawing).box[3] - 0.5) * worn.scale
            assert head < foot < head + 0.1


def test_grounds_lie_behind_and_are_named(planner):
    painter = Painter(planner.stock, 32)
    from luoxia.data.icon_words import GROUNDS, SHAPES

    for scene in scenes(planner, "ground"):
        shape, colour = scene.ground
        assert GROUNDS[colour][0].en in scene.caption.en
        assert SHAPES[shape].zh in scene.caption.zh
        corner, edge = painter.paint(scene)[:, 0, 0], painter.paint(scene)[:, 16, 2]
        assert (tuple(corner) == GROUNDS[colour][1]) == (shape == "background")
        if shape in ("background", "square", "circle"):
            assert np.abs(edge.astype(int) - GROUNDS[colour][1]).max() <= 2


def test_what_is_read_is_not_mirrored(planner):
    clock = dataclasses.replace(planner.of.concept(0), en="clock showing one o'clock")
    from luoxia.data.icon_choice import turns

    assert not turns(clock)
    assert turns(planner.of.concept(0))


# --- kept back


def test_a_hundred_combinations_in_both_languages_are_kept_back():
    assert len(NEW_COMBINATIONS) == 100
    assert len({c.caption.en for c in NEW_COMBINATIONS}) == 100
    assert len({c.caption.zh for c in NEW_COMBINATIONS}) == 100
    assert all(
        any("一" <= ch <= "鿿" for ch in c.caption.zh) and c.caption.en.isascii() for c in NEW_COMBINATIONS
    )
    assert all(kept_back(c.kind, *c.parts) for c in NEW_COMBINATIONS)
    assert kept_back("pair", "rocket", "cat")
    assert not kept_back("pair", "rocket", "dog")


def test_the_engine_composes_nothing_that_is_kept_back_unless_free(planner, monkeypatch):
    colours = [("colour", (colour, "cat")) for colour in COLOURS if colour != "green"]
    back = {*colours, ("worn", ("1F576", "dog")), ("pair", frozenset(("rocket", "banana")))}
    monkeypatch.setattr(icon_combinations, "_KEPT_BACK", back)

    def broken(plan):
        family = {i: plan.of.concept(i).family for i in range(len(plan.stock.drawings))}
        found = set()
        for scene in map(plan.composed, range(600)):
            names = [family[item.drawing] for item in scene.items]
            found |= {
                ("colour", item.colour)
                for item in scene.items
                if item.colour and family[item.drawing] == "cat"
            }
            if scene.kind == "pair" and set(names) == {"rocket", "banana"}:
                found.add("pair")
            if scene.kind == "worn" and names == ["dog", "sunglasses"]:
                found.add("worn")
        return found

    strict = icons.Planner(planner.stock, 0)
    assert broken(strict) <= {("colour", "green")}
    assert {"pair", "worn", ("colour", "blue")} <= broken(icons.Planner(planner.stock, 0, free=True))


def test_a_kept_back_combination_can_be_shown_to_a_judge(planner):
    asked = {"a purple apple", "a dog wearing a crown", "a cat and a rocket", "a rocket, 3d style"}
    shown = {c.kind: planner.showing(c, 0) for c in NEW_COMBINATIONS if c.caption.en in asked}
    assert len(shown) == 4
    assert shown["colour"].items[0].colour == "purple"
    assert shown["worn"].caption == Text("a dog wearing a crown", "戴皇冠的狗")
    assert len(shown["worn"].items) == 2
    assert len(shown["pair"].items) == 2
    assert shown["style"] is None  # there is no maker of 3d here
    nothing = next(c for c in NEW_COMBINATIONS if c.parts[1] == "octopus")
    assert planner.showing(nothing, 0) is None


# --- words


@pytest.mark.parametrize(
    ("name", "many"),
    [
        ("cat face", "cat faces"),
        ("mouse", "mice"),
        ("face with tears of joy", "faces with tears of joy"),
        ("glass of milk", "glasses of milk"),
        ("strawberry", "strawberries"),
        ("box", "boxes"),
        ("scissors", "scissors"),
        ("fish", "fish"),
        ("clock showing one o'clock", "clocks showing one o'clock"),
        ("maple leaf", "maple leaves"),
    ],
)
def test_plurals(name, many):
    assert icon_names.plural(name) == many


@pytest.mark.parametrize(
    ("zh", "subgroup", "word"),
    [
        ("猫", 34, "只"),
        ("苹果", 42, "个"),
        ("出租车", 54, "辆"),
        ("火箭", 56, "枚"),
        ("向日葵", 40, "朵"),
        ("热狗", 44, "根"),
    ],
)
def test_measure_words(zh, subgroup, word):
    from luoxia.data.icon_words import classifier

    assert classifier(subgroup, zh) == word


def test_a_style_is_said_as_the_command_line_says_it():
    assert icon_captions.styled(Text("a cat", "猫"), "flat") == Text("a cat, flat style", "猫，扁平风格")
    for k in range(20):
        said = icon_captions.with_style(Text("a cat", "猫"), "outline", generator(0, k))
        assert "outline" in said.en
        assert "描边风格" in said.zh
        assert not said.en.startswith("a outline")


def test_a_red_apple_in_blue_is_a_blue_apple(stock):
    apple = stock.concepts["1F34E"]
    apple = dataclasses.replace(apple, others_zh=("苹果",))
    assert icon_captions.uncoloured(apple) == ("apple", "苹果")
    assert not says_colour(apple)
    said = icon_captions.coloured(apple, "blue", generator(0, 0))
    assert said.en == "a blue apple"
    assert "红" not in said.zh


# --- looks


def test_a_look_finds_colour_box_and_eyes():
    face = '<svg viewBox="0 0 100 100" xmlns="http://www.w3.org/2000/svg"><path d="M20 10h60v80h-60z" fill="#e22"/>'
    look = icon_looks.measured(transparent(face + tiny_icons.EYES + "</svg>", 100))
    assert look.box == (0.2, 0.1, 0.8, 0.9)
    assert look.colour == "red"
    assert np.allclose(look.eyes, (0.5, 0.435, 0.24), atol=0.02)
    assert icon_looks.measured(transparent(face + "</svg>", 100)).eyes is None
    assert icon_looks.measured(np.zeros((10, 10, 4), np.uint8)) is None


def test_another_colour_leaves_eyes_and_edges():
    face = '<svg viewBox="0 0 100 100" xmlns="http://www.w3.org/2000/svg"><path d="M20 10h60v80h-60z" fill="#e22"/>'
    picture = transparent(face + tiny_icons.EYES + "</svg>", 100)
    blue = icon_looks.recoloured(picture, icon_looks.measured(picture), "blue")
    assert np.abs(blue[15, 50, :3].astype(int) - COLOURS["blue"][1]).max() < 20
    assert np.array_equal(blue[44, 38], picture[44, 38])
    assert np.array_equal(blue[..., 3], picture[..., 3])


def test_hsl_is_that_of_colorsys():
    import colorsys

    rgb = np.random.default_rng(0).random((50, 3)).astype(np.float32)
    hue, saturation, light = icon_looks.hsl(rgb)
    for k, pixel in enumerate(rgb):
        assert np.allclose(
            (hue[k], light[k], saturation[k]), colorsys.rgb_to_hls(*map(float, pixel)), atol=1e-5
        )
    assert np.allclose(icon_looks._rgb(hue, saturation, light), rgb, atol=1e-5)


# --- the real packages


def test_the_fetched_packages_name_what_people_ask_for(monkeypatch):
    monkeypatch.setattr(icon_packages, "NAMES", FETCHED)
    monkeypatch.delenv("LUOXIA_HOME") if HOME is None else monkeypatch.setenv("LUOXIA_HOME", HOME)
    if not is_here(FETCHED):
        pytest.skip("the packages are not on this machine; get them with: luoxia data get icons")
    concepts, places = icon_names.concepts()
    families = {c.family for c in concepts.values()}
    for combination in NEW_COMBINATIONS:
        names = combination.parts if combination.kind == "pair" else combination.parts[1:]
        assert set(names) <= families, combination
    assert len(concepts) > 1500
    assert places["rocket"] == "1F680"
    assert concepts["1F408"].counter == "只"
    said = icon_captions.counted(concepts["1F408"], 2)
    assert said == Text("two cats", "两只猫")
