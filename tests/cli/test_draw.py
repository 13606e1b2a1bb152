"""`luoxia draw`, as it is typed."""

from pathlib import Path

import numpy as np
import pytest
import tiny_drawing
from PIL import Image

from luoxia.provenance import policy
from luoxia.provenance.policy import Policy
from luoxia.provenance.verify import HOLDS, verify
from luoxia.weights.catalogue import place
from luoxia.workspace.history import Workspace
from luoxia.workspace.replay import replay
from luoxia.workspace.sheets import Layout, layout

TINY = ("--model", "tiny", "--threads", "1")


@pytest.fixture(autouse=True)
def tiny(home: Path) -> None:
    policy.save(Policy("off", reason="what is drawn is looked at to the pixel"))
    tiny_drawing.keep(place("tiny"))


def tiles(path: str, n: int, side: int = 16) -> list[np.ndarray]:
    with Image.open(path) as opened:
        sheet = np.asarray(opened.convert("RGB"))
    step = side + 8
    return [sheet[i // 4 * step :][:side, i % 4 * step :][:, :side] for i in range(n)]


def test_every_file_leaves_labelled_and_recorded(run) -> None:
    policy.save(Policy())
    words = ("a red square 1", "-n", "2", "--seed", "1", "--each", "--svg")
    outcome = run("draw", *words, *TINY, "-o", "out/a.png")
    assert outcome.code == 0, outcome.err
    names = sorted(path.name for path in Path("out").iterdir())
    assert names == ["a-1.png", "a-1.svg", "a-2.png", "a-2.svg", "a.png"]
    assert {verify(Path("out") / name).outcome for name in names} == {HOLDS}
    Image.new("RGB", (50, 50), "red").save("red.png")
    assert run("draw", "vary", "red.png", "-n", "1", *TINY, "-o", "out/v.png").code == 0
    found = verify(Path("out/v.png"))
    assert found.outcome == HOLDS
    assert found.credential is not None
    assert found.credential.parents == ("red.png",)
    again = run("replay", verify(Path("out/a.png")).creation)
    assert again.code == 0, again.err
    assert "identical" in again.out + again.err


@pytest.mark.parametrize("line", [["draw"], ["draw", "new"]])
def test_pictures_from_words(run, line: list[str]) -> None:
    outcome = run(*line, "a red square 1", "-n", "6", "--seed", "1", *TINY, "-o", "a.png")
    assert outcome.code == 0, outcome.err
    with Image.open("a.png") as sheet:
        assert sheet.size == (4 * 24 - 8, 2 * 24 - 8)
    assert "a.png: 88 x 40, seed 1, samples 0, 1, 2, 3, 4, 5" in outcome.err
    assert len({t.tobytes() for t in tiles("a.png", 6)}) == 6


def test_options_may_stand_before_the_words(run) -> None:
    assert run("draw", "--seed", "3", *TINY, "-o", "a.png", "红色方块 1").code == 0
    assert run("draw", "红色方块 1", "--seed", "3", *TINY, "-o", "b.png").code == 0
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()


def test_single_files_and_sizes(run) -> None:
    outcome = run(
        "draw",
        "a red square 1",
        "-n",
        "2",
        "--each",
        "--size",
        "40",
        "--style",
        "扁平",
        *TINY,
        "-o",
        "a.webp",
    )
    assert outcome.code == 0, outcome.err
    assert "no upscaler" in outcome.err
    for name, size in (("a.webp", (88, 40)), ("a-1.webp", (40, 40)), ("a-2.webp", (40, 40))):
        with Image.open(name) as image:
            assert (image.size, image.format) == (size, "WEBP")


def test_an_upscaler_enlarges_and_a_tracer_draws_curves(run) -> None:
    tiny_drawing.keep(place("large"), upscaler=tiny_drawing.upscaler())
    outcome = run(
        *("draw", "a red square 1", "-n", "2", "--size", "100", "--svg", "--each", "--model", "large"),
        *("--threads", "1", "-o", "a.png"),
    )
    assert outcome.code == 0, outcome.err
    assert "no upscaler" not in outcome.err
    with Image.open("a.png") as sheet:
        assert sheet.size == (208, 100)
    for i in (1, 2):
        assert (
            Path(f"a-{i}.svg").read_text().startswith('<svg xmlns="http://www.w3.org/2000/svg" width="100"')
        )
    assert run("draw", "a red square 1", "--model", "large", "-o", "b.png").code == 0
    with Image.open("b.png") as usual:
        assert usual.size == (64, 64)
    with Workspace() as workspace:
        made = [workspace.find(listed.id) for listed in workspace.list()]
    alone = [one for one in made if Path(one.path).name in ("a-1.png", "a-2.png")]
    assert [replay(one).outcome for one in alone] == ["identical"] * 2


def test_the_given_part_of_a_picture_is_kept(run) -> None:
    run("draw", "a red square 1", "--seed", "1", *TINY, "-o", "whole.png")
    with Image.open("whole.png") as image:
        image.crop((0, 0, 16, 8)).save("half.png")
    outcome = run("draw", "complete", "half.png", "a red square 1", "-n", "3", *TINY, "-o", "c.png")
    assert outcome.code == 0, outcome.err
    made = tiles("c.png", 3)
    assert len({t[8:].tobytes() for t in made}) == 3
    mask = Image.new("L", (16, 16), 0)
    mask.paste(255, (4, 4, 12, 12))
    mask.save("mask.png")
    assert run("draw", "complete", "whole.png", "--mask", "mask.png", *TINY, "-o", "m.png").code == 0


def test_variations(run) -> None:
    Image.new("LA", (50, 31), (90, 255)).save("grey.png")
    outcome = run("draw", "vary", "grey.png", "--strength", "0.7", *TINY, "-o", "v.png")
    assert outcome.code == 0, outcome.err
    assert len({t.tobytes() for t in tiles("v.png", 6)}) == 6


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (["draw", ""], "the prompt says nothing"),
        (["draw", "x" * 10_000], "the prompt has 10,000 characters"),
        (["draw", "a cat", "-n", "0"], "n is 0; give 1 to 64"),
        (["draw", "a cat", "-n", "65"], "n is 65"),
        (["draw", "a cat", "--size", "9"], "size is 9"),
        (["draw", "a cat", "--guidance", "-1"], "guidance is -1"),
        (["draw", "a cat", "--guidance", "nan"], "guidance is nan"),
        (["draw", "a cat", "--temperature", "11"], "temperature is 11"),
        (["draw", "a cat", "--top-p", "2"], "top_p is 2"),
        (["draw", "a cat", "--seed", "-1"], "seed is -1"),
        (["draw", "a cat", "--candidates", "999"], "candidates is 999"),
        (["draw", "a cat", "--style", "baroque"], "style 'baroque' is not known; give cartoon"),
        (["draw", "a cat", "--clip", "tiny"], "tiny has no CLIP"),
        (["draw", "a cat", "-o", "a.txt"], "written as .png"),
        (["draw", "a cat", "--model", "nobody"], "no model 'nobody'"),
        (["draw", "complete", "none.png"], "none.png cannot be read"),
        (["draw", "complete", "text.png"], "not a picture"),
        (["draw", "complete", "dot.png", "--keep", "1"], "the share to keep is 1"),
        (["draw", "complete", "dot.png", "--mask", "wide.png"], "the mask has 8 x 4 pixels"),
        (["draw", "vary", "dot.png", "--strength", "0"], "strength is 0"),
        (["draw", "vary"], "Missing argument 'PICTURE'"),
    ],
)
def test_one_line_says_what_is_wrong(refused, line: list[str], words: str) -> None:
    Path("text.png").write_text("no picture")
    Image.new("1", (1, 1)).save("dot.png")
    Image.new("L", (8, 4)).save("wide.png")
    assert words in refused(*line, *(() if "--model" in line else TINY))
    assert not Path("drawing.png").exists()


@pytest.mark.parametrize(("more", "file"), [([], "model.safetensors"), (["--onnx"], "dalle.onnx")])
def test_a_dalle_is_written_for_other_programs(run, refused, more: list[str], file: str) -> None:
    outcome = run("models", "export", "tiny", "--part", "dalle", *more, "-o", "out")
    assert outcome.code == 0, outcome.err
    assert (Path("out") / file).is_file()
    assert "out is there already" in refused("models", "export", "tiny", "--part", "dalle", "-o", "out")
    assert "give clip or dalle" in refused("models", "export", "tiny", "--part", "dvae", "-o", "other")


def test_emoji_and_other_scripts_are_drawn(run) -> None:
    assert run("draw", "❤️😀", *TINY).code == 0
    outcome = run("draw", "кошка", *TINY)
    assert outcome.code == 0
    assert "hardly understands" in outcome.err


def test_a_sheet_of_many_prompts(run) -> None:
    prompts = Path("prompts.txt")
    prompts.write_text("a red square 1\n\n一个红色方块 \na red square 2\n", encoding="utf-8")
    asked = ("--columns", "4", "--seed", "3", *TINY)
    assert run("draw", "sheet", "prompts.txt", *asked, "-o", "sheet.png").code == 0
    assert run("draw", "a red square 2", "--seed", "3", *TINY, "-o", "one.png").code == 0
    assert np.array_equal(tiles("sheet.png", 3)[2], tiles("one.png", 1)[0])
    with Workspace() as workspace:
        told = workspace.find(workspace.list(search="方块")[0].id)
    assert told.made_from.prompt == "a red square 1\n一个红色方块\na red square 2"
    assert layout(told.made_from.parameters) == Layout(3, 3, 8)
    assert replay(told).outcome == "identical"


def test_what_is_wrong_with_a_sheet_is_told_with_its_line(run) -> None:
    policy.save(Policy())
    prompts = Path("prompts.txt")
    for text, said in (
        ("a cup\ndraw a nude woman\n", "prompts.txt:2: the prompt is refused"),
        ("\n", "prompts.txt: 0 prompts of 1 pictures each"),
        ("a cup\n" * 500, "1 to 400 fit on a sheet"),
    ):
        prompts.write_text(text, encoding="utf-8")
        refused = run("draw", "sheet", "prompts.txt", *TINY)
        assert (refused.code, said in refused.err) == (2, True), refused.err
    assert "leave out --svg" in run("draw", "sheet", "prompts.txt", "--svg", *TINY).err
