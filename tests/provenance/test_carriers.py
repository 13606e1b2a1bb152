"""The label in every format: there once, read by programs that are not ours, and nothing else changed."""

import base64
import html.parser
import json
import shutil
import subprocess
import wave
import zipfile
from pathlib import Path

import numpy as np
import pytest
from every_format import MAKERS, make
from PIL import Image, ImageSequence

from luoxia.core.errors import UserError
from luoxia.provenance import carriers
from luoxia.provenance.label import Label

LABEL = Label.first("001191440300708461136T1XGW3", "L01ARZ3NDEKTSV4RRFFQ69G5FAV")
SHARP = Label(
    "2", "<&'>\"#", "]]>--{}", "it's;'", '=;#"', "'>", "%00$(x)`"
)  # all that a format could trip over
EXIFTOOL = {".png", ".jpg", ".webp", ".gif", ".tiff", ".svg", ".mp4", ".mov", ".mkv", ".webm", ".m4a", ".mp3"}
EXIFTOOL |= {".flac", ".ogg", ".opus", ".pdf", ".docx", ".pptx", ".wav"}
FFPROBE = {".mp4", ".mov", ".mkv", ".webm", ".m4a", ".mp3", ".flac", ".ogg", ".opus"}


@pytest.fixture(params=MAKERS)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return make(request.param, tmp_path)


def test_a_file_has_no_label_before_it_is_given_one(path: Path) -> None:
    assert carriers.read(path) == []


def test_one_label_after_writing_twice_and_the_rest_as_it_was(path: Path) -> None:
    before = _content(path)
    carriers.write(path, SHARP)
    assert [reading.label for reading in carriers.read(path)] == [SHARP]
    carriers.write(path, LABEL)
    once = path.read_bytes()
    carriers.write(path, LABEL)
    assert [reading.label for reading in carriers.read(path)] == [LABEL]
    assert _content(path) == before
    assert abs(path.stat().st_size - len(once)) <= 2  # nothing grows
    assert list(path.parent.iterdir()) == [path]


def test_bytes_written_twice_hold_the_old_label_nowhere(path: Path) -> None:
    carriers.write(path, SHARP)
    carriers.write(path, LABEL)
    if path.suffix in (".docx", ".pptx"):
        data = b"".join(zipfile.ZipFile(path).read(name) for name in zipfile.ZipFile(path).namelist())
    else:
        data = path.read_bytes()
    assert b"%00$(x)`" not in data
    assert data.count(b"ContentProducer") == 1


@pytest.mark.skipif(not shutil.which("exiftool"), reason="exiftool is not on this machine")
@pytest.mark.parametrize("label", [LABEL, SHARP])
def test_exiftool_reads_it(path: Path, label: Label) -> None:
    if path.suffix not in EXIFTOOL:
        pytest.skip("exiftool does not read labels of this format")
    carriers.write(path, label)
    command = ["exiftool", "-json", "-a", "-G1:4", "-U", "-b", "-api", "struct=0", str(path)]
    told = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)[0]
    found = [value for key, value in told.items() if "aigc" in key.lower() or "(AIGC)" in str(value)]
    assert len(found) == 1, told
    value = found[0] if isinstance(found[0], str) else json.dumps(found[0])
    if value.startswith("base64:"):
        value = base64.b64decode(value[7:]).decode()
    assert Label.parse(value.removeprefix("(AIGC) ")) == label
    assert not [value for key, value in told.items() if "Warning" in key or "Error" in key]


@pytest.mark.skipif(not shutil.which("ffprobe"), reason="ffprobe is not on this machine")
@pytest.mark.parametrize("label", [LABEL, SHARP])
def test_ffprobe_reads_it(path: Path, label: Label) -> None:
    if path.suffix not in FFPROBE:
        pytest.skip("FFmpeg does not read labels of this format")
    carriers.write(path, label)
    command = ["ffprobe", "-v", "error", "-show_entries", "format_tags:stream_tags", "-of", "json", str(path)]
    run = subprocess.run(command, capture_output=True, check=True, text=True)
    told = json.loads(run.stdout)
    tags = [told["format"].get("tags", {}), *(stream.get("tags", {}) for stream in told["streams"])]
    assert [Label.parse(each["AIGC"]) for each in tags if "AIGC" in each] == [label]
    assert run.stderr == ""


def test_pillow_reads_the_packet(path: Path) -> None:
    if path.suffix not in (".png", ".jpg", ".webp", ".tiff"):
        pytest.skip("Pillow reads no XMP of this format")
    carriers.write(path, SHARP)
    with Image.open(path) as image:
        packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    text = packet.decode() if isinstance(packet, bytes) else str(packet)
    from lxml import etree

    tree = etree.fromstring(text.split("?>", 1)[1].rsplit("<?", 1)[0])
    found = tree.findall(".//{http://www.tc260.org.cn/ns/AIGC/1.0/}AIGC")
    assert [Label.parse(element.text) for element in found] == [SHARP]


def test_what_is_transparent_is_told_to_readers_of_the_head_alone(tmp_path: Path) -> None:
    for name, mode in (("alpha.webp", "RGBA"), ("lossless.webp", "RGB")):
        path = make(name, tmp_path)
        carriers.write(path, LABEL)
        with Image.open(path) as image:
            assert image.mode == mode
        assert bool(path.read_bytes()[20] & 0x10) == (mode == "RGBA")  # RFC 9649, 2.7.1


def test_pypdf_reads_it(tmp_path: Path) -> None:
    from pypdf import PdfReader

    path = make("a.pdf", tmp_path)
    carriers.write(path, SHARP)
    told = PdfReader(path).metadata
    assert told is not None
    assert Label.parse(told["/AIGC"]) == SHARP
    assert told["/Title"] == "a title"


@pytest.mark.parametrize("name", ["a.docx", "a.pptx"])
def test_office_packages_open_and_list_the_property(name: str, tmp_path: Path) -> None:
    from docx import Document
    from lxml import etree
    from pptx import Presentation

    path = make(name, tmp_path)
    carriers.write(path, SHARP)
    carriers.write(path, SHARP)
    package = Document(str(path)).part.package if name == "a.docx" else Presentation(str(path)).part.package
    parts = [part for part in package.iter_parts() if str(part.partname) == "/docProps/custom.xml"]  # type: ignore[union-attr]
    assert len(parts) == 1
    assert parts[0].content_type.endswith("custom-properties+xml")
    found = etree.fromstring(parts[0].blob).findall("{*}property[@name='AIGC']")
    assert [Label.parse("".join(element.itertext())) for element in found] == [SHARP]
    assert len(zipfile.ZipFile(path).namelist()) == len(set(zipfile.ZipFile(path).namelist()))


def test_another_parser_reads_the_meta_element(tmp_path: Path) -> None:
    seen = []

    class Parser(html.parser.HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            seen.append((tag, dict(attrs)))

    path = make("a.html", tmp_path)
    carriers.write(path, SHARP)
    Parser().feed(path.read_text(encoding="utf-8"))
    assert [tag for tag, _ in seen] == ["html", "head", "meta", "title", "body", "p"]
    assert Label.parse(seen[2][1]["content"]) == SHARP


def test_another_parser_reads_the_front_matter(tmp_path: Path) -> None:
    yaml = pytest.importorskip("yaml")
    path = make("a.md", tmp_path)
    carriers.write(path, SHARP)
    matter = yaml.safe_load(path.read_text(encoding="utf-8").split("---\n")[1])
    assert Label.from_object(matter["AIGC"]) == SHARP
    assert matter["title"] == "a"


def test_json_holds_it_as_a_member(tmp_path: Path) -> None:
    path = make("a.json", tmp_path)
    carriers.write(path, SHARP)
    value = json.loads(path.read_bytes())
    assert Label.from_object(value.pop("AIGC")) == SHARP
    assert value == {"a": [1, 2.5], "b": {"AIGC": None}}
    assert "[1, 2.50]" in path.read_text()


def test_a_film_that_can_be_watched_while_it_is_fetched_stays_so(tmp_path: Path) -> None:
    for name, first in (("a.mp4", True), ("a.mov", False)):
        path = make(name, tmp_path)
        carriers.write(path, LABEL)
        data = path.read_bytes()
        assert (data.index(b"moov") < data.index(b"mdat")) == first


def test_a_name_is_not_taken_for_a_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = make("a.mp4", tmp_path).rename(tmp_path / "concat:b|c.mp4")
    carriers.write(Path(path.name), LABEL)
    assert [reading.label for reading in carriers.read(path)] == [LABEL]


def test_plain_text_ends_with_it(tmp_path: Path) -> None:
    path = make("a.txt", tmp_path)
    carriers.write(path, LABEL)
    assert path.read_text(encoding="utf-8") == f"落霞与孤鹜齐飞\n\n{LABEL.to_annex_json()}\n"


@pytest.mark.parametrize(
    "name", ["a.jpeg", "a.gif", "a.wav", "a.mp4", "a.mkv", "a.docx", "a.pdf", "a.svg", "a.flac"]
)
def test_a_file_that_is_something_else_is_refused_and_stays(name: str, tmp_path: Path) -> None:
    path = make("a.png", tmp_path).rename(tmp_path / name)
    before = path.read_bytes()
    with pytest.raises(UserError) as raised:
        carriers.write(path, LABEL)
    assert name in str(raised.value)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_reading_goes_by_what_a_file_is(tmp_path: Path) -> None:
    path = make("a.png", tmp_path)
    carriers.write(path, LABEL)
    assert carriers.read(path.rename(tmp_path / "a.jpg"))[0].label == LABEL


def test_a_format_without_a_place_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.bmp"
    path.write_bytes(b"BM")
    for act in (lambda: carriers.write(path, LABEL), lambda: carriers.read(path)):
        with pytest.raises(UserError, match="no place for a label"):
            act()


def test_a_json_list_has_no_place_for_it(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("[1]")
    assert carriers.read(path) == []
    with pytest.raises(UserError, match="no object"):
        carriers.write(path, LABEL)


def test_every_format_is_tested() -> None:
    tested = {Path(name).suffix for name in MAKERS}
    same = {".apng": ".png", ".jpeg": ".jpg", ".jpe": ".jpg", ".tif": ".tiff", ".m4v": ".mp4", ".oga": ".ogg"}
    same |= {".ogv": ".ogg", ".xlsx": ".docx", ".htm": ".html", ".markdown": ".md", ".text": ".txt"}
    assert {same.get(suffix, suffix) for suffix in carriers.FORMATS} == tested


def _content(path: Path) -> object:
    """All that a label must not change."""
    match path.suffix:
        case ".png" | ".jpg" | ".webp" | ".gif" | ".tiff":
            with Image.open(path) as image:
                return [
                    np.asarray(frame.convert("RGBA")).tobytes() for frame in ImageSequence.Iterator(image)
                ]
        case ".wav":
            with wave.open(str(path)) as file:
                return file.readframes(1 << 20)
        case ".mp4" | ".mov" | ".mkv" | ".webm" | ".m4a" | ".mp3" | ".flac" | ".ogg" | ".opus":
            import av

            with av.open(path) as file:
                title = file.metadata.get("title") or file.streams[0].metadata.get("title")
                packets = [(p.stream.index, p.pts, p.dts, bytes(p)) for p in file.demux() if p.size]
                return title, [stream.codec_context.name for stream in file.streams], sorted(packets)
        case ".pdf":
            from pypdf import PdfReader

            return len(PdfReader(path).pages), (PdfReader(path).metadata or {})["/Title"]
        case ".docx" | ".pptx":
            with zipfile.ZipFile(path) as package:
                names = set(package.namelist()) - {
                    "docProps/custom.xml",
                    "[Content_Types].xml",
                    "_rels/.rels",
                }
                return {name: package.read(name) for name in names}
        case ".svg":
            from lxml import etree

            return [(e.tag, e.text) for e in etree.parse(path).getroot() if "metadata" not in e.tag]
        case ".json":
            return {key: value for key, value in json.loads(path.read_bytes()).items() if key != "AIGC"}
        case ".txt":
            return path.read_text(encoding="utf-8").split("{")[0].strip()
        case ".md":
            return path.read_text(encoding="utf-8").split("---\n")[2]
        case _:
            return path.read_text(encoding="utf-8").split("<title>")[1]
