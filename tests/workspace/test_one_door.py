"""Nothing that a user keeps is written but by the door: the whole package is walked for what writes files."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import luoxia

PACKAGE = Path(luoxia.__file__).parent

ROOMS = {  # whose files no user keeps as content
    "core/": "the atomic write itself, and pictures inside reports",
    "data/": "data sets, and reports on them",
    "weights/": "models",
    "train/": "run folders",
    "recipes/": "run folders and the reports in them",
    "provenance/": "labels and credentials in files that the door has not let out yet; keys; the policy",
}
MODULES = {  # how many writes each has, and of what
    "workspace/encoding.py": (6, "the door's own"),
    "workspace/publish.py": (4, "the door's own"),
    "workspace/later.py": (1, "a worker's log"),
    "workspace/lineage_picture.py": (1, "thumbnails, in memory, of creations in the drawing of records"),
    "cli/clip.py": (2, "a sheet of the user's own pictures, which nobody generated"),
    "cli/data.py": (1, "a report on a data set"),
    "cli/lineage.py": (1, "a drawing of records"),
    "cli/poem.py": (1, "the figures of an evaluation"),
    "cli/policy.py": (1, "the policy"),
    "cli/write.py": (1, "the null device, once a pipe was closed"),
    "generate/directions.py": (2, "what was learned about a model"),
    "generate/inversion.py": (2, "a latent, which no one sees without the model"),
    "generate/picture_index.py": (2, "an index of the user's own pictures"),
    "generate/trace.py": (1, "a picture in memory, handed to the tracer"),
    "server/draw/atelier.py": (1, "the transparency of a user's own picture, in memory"),
    "server/draw/leaving.py": (1, "a user's own picture, for the credential to name"),
    "server/finetune/process.py": (2, "a training's log and note"),
    "server/finetune/uploads.py": (1, "a user's own examples"),
    "server/pictures.py": (1, "what a page shows while it draws; what it saves it asks the door for"),
}

WRITERS = frozenset(
    [
        "write_text",
        "write_bytes",
        "write_atomically",
        "put_in_place",
        "copyfile",
        "copy2",
        "savefig",
        "imwrite",
        "imsave",
        "tofile",
        "savetxt",
        "savez",
        "savez_compressed",
        "save",
        "save_all",
        "save_file",
        "save_image",
        "save_pretrained",
        "to_csv",
        "write_video",
    ]
)
MODE = re.compile(r"(?=.*[wxa+])[rwxabt+]{1,4}")
TO_WRITE = frozenset({"O_WRONLY", "O_RDWR", "O_CREAT"})


def writes(source: str) -> Iterator[tuple[int, str]]:
    """Line and name of each call that may write a file."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        if name in WRITERS or (name in ("open", "fdopen", "opener") and _to_write(node)):
            yield node.lineno, ast.unparse(called)


def _to_write(call: ast.Call) -> bool:
    given = [*call.args, *(word.value for word in call.keywords if word.arg in (None, "mode", "flags"))]
    words = [node.value for node in given if isinstance(node, ast.Constant)]
    if any(isinstance(word, str) and MODE.fullmatch(word) for word in words):
        return True
    flags = {node.attr for value in given for node in ast.walk(value) if isinstance(node, ast.Attribute)}
    plain = (
        isinstance(call.func, ast.Name) and len(call.args) > 1 and not isinstance(call.args[1], ast.Constant)
    )
    return bool(flags & TO_WRITE) or plain  # a mode that is decided elsewhere may be any


def found() -> dict[str, list[tuple[int, str]]]:
    modules = {path.relative_to(PACKAGE).as_posix(): path for path in PACKAGE.rglob("*.py")}
    walked = {name: list(writes(path.read_text(encoding="utf-8"))) for name, path in modules.items()}
    return {name: lines for name, lines in walked.items() if lines and not name.startswith(tuple(ROOMS))}


def test_no_other_room_writes_what_a_user_keeps() -> None:
    unknown = {name: lines for name, lines in found().items() if len(lines) != MODULES.get(name, (0, ""))[0]}
    assert not unknown, (
        "these write files: content goes out by luoxia.workspace.publish alone; if it is none, say so in MODULES"
    )


def test_the_list_names_nothing_that_is_gone() -> None:
    assert set(MODULES) == set(found())
    rooms = Counter(
        name.split("/")[0] + "/" for name in map(str, (p.relative_to(PACKAGE) for p in PACKAGE.rglob("*.py")))
    )
    assert all(rooms[room] for room in ROOMS)


@pytest.mark.parametrize(
    "source",
    [
        "open(path, 'w')",
        "open(path, mode='wb')",
        "open(path, how)",
        "path.open('xb')",
        "path.open(mode='a')",
        "av.open(str(path), 'w', options={})",
        "av.open(path, mode='w')",
        "gzip.open(path, 'wt')",
        "os.open(path, os.O_WRONLY | os.O_CREAT)",
        "os.fdopen(number, 'w')",
        "path.write_text(text)",
        "Path('a').write_bytes(data)",
        "image.save(path)",
        "np.savez(path, a=a)",
        "figure.savefig(path)",
        "imageio.imwrite(path, pixels)",
        "with write_atomically(path) as file:\n    file.write(text)",
    ],
)
def test_what_writes_is_seen(source: str) -> None:
    assert len(list(writes(source))) == 1


@pytest.mark.parametrize(
    "source", ["open(path)", "open(path, 'rb')", "path.open('rb')", "Image.open(path)", "Drawing.open('tiny', runtime)",
               "os.open(os.devnull, os.O_RDONLY)"]
)  # fmt: skip
def test_what_reads_is_not(source: str) -> None:
    assert list(writes(source)) == []
