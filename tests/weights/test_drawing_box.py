"""Parts of several runs in one folder: those that belong together, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_drawing

from luoxia.core.errors import UserError
from luoxia.models.captions import CaptionTokenizer
from luoxia.weights import drawing_folder
from luoxia.weights.drawing_box import assemble


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUOXIA_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def test_parts_of_several_models_become_one() -> None:
    one, two = ({"name": f"{n}.data", "digest": n * 64, "licence": ["MIT"]} for n in "ab")
    tiny_drawing.keep(Path("first"), data=[one])
    sharper = tiny_drawing.dvae()
    next(sharper.decoder.parameters()).data += 1
    tiny_drawing.keep(
        Path("second"),
        data=[two, one],
        dvae=sharper,
        clip=tiny_drawing.clip(),
        upscaler=tiny_drawing.upscaler(),
    )
    assemble(Path("box"), "first", dvae="second", clip="second", upscaler="second", facts={"seed": 3})
    found = drawing_folder.find("box")
    assert sorted(found.parts) == ["clip", "dalle", "dvae", "upscaler"]
    assert (found.licence, found.data, found.facts["seed"]) == (("made here",), (one, two), 3)
    for kind, part in found.parts.items():
        assert part.path.stat().st_size < drawing_folder.find("second").part(kind).path.stat().st_size
    made = found.part("dvae").network()
    assert drawing_folder.fingerprint(made) == drawing_folder.fingerprint(sharper)
    drawing_folder.check(found.part("dalle"), found.part("dvae"), drawing_folder.fingerprint(made))


def test_another_dvae_is_refused() -> None:
    tiny_drawing.keep(Path("first"))
    tiny_drawing.keep(Path("second"), dvae=tiny_drawing.dvae(seed=8))
    with pytest.raises(UserError, match="first/dalle and second/dvae do not belong together"):
        assemble(Path("box"), "first", dvae="second")
    assert not Path("box").exists()


def test_another_tokenizer_is_refused() -> None:
    tiny_drawing.keep(Path("first"))
    other = CaptionTokenizer.learned(["something else"], 280)
    parts = {"dvae": tiny_drawing.dvae(), "dalle": tiny_drawing.dalle(), "clip": tiny_drawing.clip()}
    drawing_folder.write(Path("second"), parts, other)
    with pytest.raises(UserError, match="different tokenizers"):
        assemble(Path("box"), "first", clip="second")
