"""The one door out: what leaves is marked, signed and recorded, or does not leave."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from luoxia.core.errors import UserError
from luoxia.provenance import carriers, policy, watermark
from luoxia.provenance.policy import Policy
from luoxia.provenance.verify import HOLDS, verify
from luoxia.workspace import content, encoding, publish
from luoxia.workspace.encoding import Film
from luoxia.workspace.history import Workspace
from luoxia.workspace.made_from import MadeFrom, ModelUsed, Parent

MODEL = ModelUsed("faces-64", "ab" * 32, "Apache-2.0", "draws")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LUOXIA_HOME", str(tmp_path / "home"))
    for name in ("LUOXIA_DATABASE", "LUOXIA_SIGNING_KEY", "LUOXIA_SIGNING_CERTIFICATE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home"


def picture(size: tuple[int, int] = (300, 280), seed: int = 0) -> np.ndarray:
    """Soft colours, as a picture has them."""
    random = np.random.default_rng(seed).integers(0, 255, (9, 9, 3), np.uint8)
    return np.asarray(Image.fromarray(random).resize(size, Image.Resampling.BICUBIC))


def pixels_of(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def of(kind: str = "picture", **more) -> MadeFrom:
    return MadeFrom(kind, "face", models=(MODEL,), seed=7, **more)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tiff"])
def test_a_picture_leaves_with_everything_on(tmp_path: Path, suffix: str) -> None:
    pixels, path = picture(), tmp_path / f"a{suffix}"
    made = publish.publish(pixels, of(), path).creation
    found = verify(path)
    assert found.outcome == HOLDS
    assert found.label is not None
    assert found.label.produce_id == made.id
    assert found.credential is not None
    assert found.credential.known == "own"
    assert found.credential.creation["models"] == [
        {"id": "faces-64", "sha256": "ab" * 32, "licence": "Apache-2.0"}
    ]
    assert found.watermark is not None
    assert found.watermark.number == made.number
    with Workspace() as workspace:
        assert workspace.find(made.id) == made
        assert workspace.by_number(made.number) == made
        assert workspace.check().at is None
    assert made.content_sha256 == content.digest(pixels)
    seen = pixels_of(path)
    assert np.abs(seen[-60:, -130:].astype(int) - pixels[-60:, -130:]).mean() > 10  # the mark that people see
    assert np.abs(seen[:180].astype(int) - pixels[:180]).mean() < 4  # and nothing else that they would
    assert set(os.listdir(tmp_path)) == {path.name, "home"}
    assert list((tmp_path / "home" / "publishing").iterdir()) == []


def test_a_small_picture_is_given_a_strip_and_no_unseen_mark(tmp_path: Path) -> None:
    publish.publish(picture((64, 64)), of(), tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert image.height > 64
    assert verify(tmp_path / "a.png").outcome == HOLDS


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".webm", ".gif", ".webp"])
def test_a_film_leaves_labelled(tmp_path: Path, suffix: str) -> None:
    frames = [picture((288, 264), i) for i in range(5)]
    made = publish.publish(Film(iter(frames), 10), of("film"), tmp_path / f"a{suffix}").creation
    found = verify(tmp_path / f"a{suffix}")
    assert found.outcome == HOLDS
    assert found.creation == made.id
    again = publish.publish(Film(iter(frames), 10), of("film"), suffix=suffix)
    assert again.creation.content_sha256 == made.content_sha256  # of the frames before any mark
    other = publish.publish(Film(iter(frames[1:]), 10), of("film"), suffix=suffix)
    assert other.creation.content_sha256 != made.content_sha256


@pytest.mark.parametrize(
    ("suffix", "seen"), [(".txt", True), (".md", True), (".html", True), (".json", False)]
)
def test_a_text_leaves_labelled(tmp_path: Path, suffix: str, seen: bool) -> None:
    text = '{"answer": "秋水"}' if suffix == ".json" else "秋水共长天一色\n"
    made = publish.publish(text, of("text", prompt="秋"), tmp_path / f"a{suffix}").creation
    assert verify(tmp_path / f"a{suffix}").creation == made.id
    written = (tmp_path / f"a{suffix}").read_text(encoding="utf-8")
    assert ("本内容由人工智能生成" in written) is seen
    assert "秋水" in written


def test_a_drawing_leaves_with_the_mark_drawn(tmp_path: Path) -> None:
    svg = '<svg xmlns="http://www.w3.org/2000/svg" width="300" height="200"><path d="M0 0h300v200H0z"/></svg>'
    publish.publish(svg, of("drawing"), tmp_path / "a.svg")
    assert verify(tmp_path / "a.svg").outcome == HOLDS
    written = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert written.count("<path") > 1
    assert "M0 0h300v200H0z" in written


def test_an_answer_is_recorded_and_told_beside_it() -> None:
    left = publish.publish("an answer", of("text", prompt="a question"))
    assert left.sentence == "本内容由人工智能生成。"
    assert left.data == b""
    with Workspace() as workspace:
        assert [row.prompt for row in workspace.list(search="question")] == ["a question"]
    policy.save(Policy("off", reason="a test"))
    assert publish.publish("an answer", of("text")).sentence == ""


def test_bytes_for_a_page_are_what_the_file_would_be() -> None:
    left = publish.publish(picture(), of(), suffix=".png")
    image = np.asarray(Image.open(io.BytesIO(left.data)).convert("RGB"))
    found = watermark.read(image)
    assert found is not None
    assert found.number == left.creation.number
    assert left.creation.path == ""
    assert len(left.creation.file_sha256) == 64


def test_without_labels_only_for_a_reason_and_still_recorded(tmp_path: Path) -> None:
    policy.save(Policy("off", reason="a test of mine"))
    left = publish.publish(picture(), of(), tmp_path / "a.png")
    assert "a test of mine" in str(left.warnings[0])
    assert np.array_equal(pixels_of(tmp_path / "a.png"), picture())
    assert carriers.read(tmp_path / "a.png") == []
    with Workspace() as workspace:
        assert workspace.is_recorded(left.creation.id)


def test_a_change_names_what_it_came_from(tmp_path: Path) -> None:
    first = publish.publish(picture(), of(), tmp_path / "a.png").creation
    made = publish.publish(
        picture(seed=1),
        of(parents=(Parent(first.id, "picture"),)),
        tmp_path / "b.png",
        parents=[tmp_path / "a.png"],
    ).creation
    found = verify(tmp_path / "b.png")
    assert found.outcome == HOLDS
    assert found.credential is not None
    assert found.credential.parents == ("a.png",)
    with Workspace() as workspace:
        assert workspace.children(first.id) == [made.id]


def test_what_cannot_be_checked_does_not_leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A carrier, a signer or a mark that fails silently is found by reading back."""
    for name, broken in {
        "write": (carriers, lambda *_: None),
        "sign": (publish.credential, lambda *_: None),
    }.items():
        with monkeypatch.context() as patch:
            patch.setattr(broken[0], name, broken[1])
            with pytest.raises(UserError, match="nothing was published"):
                publish.publish(picture(), of(), tmp_path / "a.png")
    assert os.listdir(tmp_path) == ["home"]
    with Workspace() as workspace:
        assert workspace.list() == []


def test_a_picture_that_takes_no_unseen_mark_leaves_with_a_warning(tmp_path: Path) -> None:
    policy.save(Policy("eu"))
    glass = np.zeros((300, 300, 4), np.uint8)
    left = publish.publish(glass, of(), tmp_path / "a.png")
    assert publish.UNMARKED in left.warnings
    assert verify(tmp_path / "a.png").outcome == HOLDS


def test_a_file_that_is_there_stays_when_another_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish.publish(picture(), of(), tmp_path / "a.png")
    before = (tmp_path / "a.png").read_bytes()
    monkeypatch.setattr(
        publish, "put_in_place", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left"))
    )
    with pytest.raises(UserError, match="No space left"):
        publish.publish(picture(seed=2), of(), tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == before
    assert set(os.listdir(tmp_path)) == {"a.png", "home"}
    with Workspace() as workspace:
        assert len(workspace.list()) == 1


@pytest.mark.parametrize(
    ("given", "name"), [("text", "a.png"), (None, "a.txt"), (None, "a"), ("text", "a.exe")]
)
def test_what_does_not_go_into_a_format_is_refused(tmp_path: Path, given: str | None, name: str) -> None:
    with pytest.raises(UserError, match="cannot be written as"):
        encoding.write(given or picture(), tmp_path / name)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="cannot be written"):
        publish.publish(picture(), of(), tmp_path / "file" / "a.png")


KILLED = """
import sys, numpy as np
sys.path.insert(0, {tests!r})
from pathlib import Path
from luoxia.workspace import publish
from luoxia.workspace.made_from import MadeFrom
print("ready", flush=True)
for i in range(1000):
    publish.publish(np.full((280, 300, 3), i % 250, np.uint8), MadeFrom("picture", "face"), Path(f"{{i}}.png"))
    print(i, flush=True)
"""


def killed(folder: Path, after: float) -> int:
    """Publishes in a process of its own and kills it; how many it said were published."""
    folder.mkdir(exist_ok=True)
    code = KILLED.format(tests=str(Path(__file__).parent))
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=folder, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        lines: Iterator[str] = iter(process.stdout)
        assert next(lines) == "ready\n"
        next(lines)
        time.sleep(after)
        process.send_signal(signal.SIGKILL)
        return 1 + sum(line.strip().isdigit() for line in lines)


@pytest.mark.parametrize("after", [0.0, 0.03, 0.11])
def test_a_kill_leaves_neither_half_a_file_nor_a_file_without_record(tmp_path: Path, after: float) -> None:
    done = killed(tmp_path / "out", after)
    with Workspace() as workspace:
        files = {row.path for row in workspace.list(limit=1000)}
        assert workspace.check().at is None
        assert list((tmp_path / "home" / "publishing").iterdir()) == []
    there = sorted((tmp_path / "out").iterdir())
    assert files == {
        str(path) for path in there
    }  # none without record, no record without file, nothing unfinished
    assert len(there) in (done, done + 1)
    assert all(verify(path).outcome == HOLDS for path in there)
