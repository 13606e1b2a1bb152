"""Files that were built to hurt, broken on the way, or labelled by others: read in bounds, and told in one line."""

import os
import random
import struct
import time
import tracemalloc
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path

import av
import numpy as np
import pytest
from every_format import MAKERS, make, picture, png_bytes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from luoxia.core.errors import UserError
from luoxia.provenance import carriers
from luoxia.provenance.carriers import png, riff, xmp
from luoxia.provenance.label import ALLOWED, Label

LABEL = Label.first("001191440300708461136T1XGW3", "L01ARZ3NDEKTSV4RRFFQ69G5FAV")
OTHER = Label.first("another", "number")


def _labels(path: Path) -> list[Label | None]:
    return [reading.label for reading in carriers.read(path)]


def _bounded(path: Path, seconds: float = 4.0, memory: int = 96 << 20) -> list[carriers.Reading]:
    """Read a file, with its cost held to limits; processor time, since the machine may be busy."""
    tracemalloc.start()
    start = time.process_time()
    try:
        found = carriers.read(path)
        assert time.process_time() - start < seconds
        assert tracemalloc.get_traced_memory()[1] < memory
    finally:
        tracemalloc.stop()
    for reading in found:
        assert "\n" not in str(reading.fault)
    return found


@pytest.mark.parametrize("name", MAKERS)
def test_cut_short_at_every_length(name: str, tmp_path: Path) -> None:
    path = make(name, tmp_path)
    carriers.write(path, LABEL)
    size = path.stat().st_size
    step = 1 if size < 9_000 else 23
    for length in range(size - 1, -1, -step):
        os.truncate(path, length)
        try:
            found = _labels(path)
        except UserError:  # by so little nothing tells what it is
            assert length < 16
            continue
        assert set(found) <= {LABEL, None}, length


@pytest.mark.parametrize("name", MAKERS)
def test_bytes_changed_at_random(name: str, tmp_path: Path) -> None:
    path = make(name, tmp_path)
    carriers.write(path, LABEL)
    data, random_ = path.read_bytes(), random.Random(name)
    for _ in range(60):
        changed = bytearray(data)
        for _ in range(random_.choice((1, 3, 40))):
            changed[random_.randrange(min(len(data), 4096))] = random_.choice((0, 1, 127, 128, 255, 34, 60))
        path.write_bytes(changed)
        with suppress(UserError):  # anything else is a failure
            carriers.read(path)
        with suppress(UserError):
            carriers.write(path, OTHER)
            assert _labels(path) == [OTHER]


@pytest.mark.parametrize("name", MAKERS)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_label_comes_back_from_any_format(name: str, tmp_path: Path, data: st.DataObject) -> None:
    value = st.text(sorted(ALLOWED), min_size=1, max_size=300)
    label = data.draw(st.builds(Label, st.sampled_from("123"), value, value, value, value, value, value))
    path = make(name, tmp_path)
    carriers.write(path, OTHER)
    carriers.write(path, label)
    assert _labels(path) == [label]


HEADS = {
    "a.png": png_bytes()[:33],
    "a.jpg": b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0",
    "a.webp": b"RIFF\xff\xff\xff\xffWEBP",
    "a.wav": b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\1\0\1\0\x44\xac\0\0\x88\x58\1\0\2\0\x10\0data\xff\xff\xff\x7f",
    "a.gif": b"GIF89a\1\0\1\0\0\0\0",
    "a.tiff": b"II*\0\xff\xff\xff\x7f",
    "a.svg": b"<svg xmlns='http://www.w3.org/2000/svg'>",
    "a.mp4": b"\0\0\0\x10ftypisom\0\0\0\0\0\0\0\1mdat" + struct.pack(">Q", (2 << 30) - 16),
    "a.mkv": b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff",
    "a.mp3": b"ID3\3\0\0\x7f\x7f\x7f\x7f",
    "a.flac": b"fLaC\0\0\0\x22" + bytes(34) + b"\x84\xff\xff\xff",
    "a.ogg": b"OggS\0\2" + bytes(20) + b"\1\xff",
    "a.pdf": b"%PDF-1.7\n",
    "a.docx": b"PK\3\4",
    "a.html": b"<html><head>",
    "a.md": b"---\n",
    "a.txt": b"text\n",
    "a.json": b"{",
}


@pytest.mark.parametrize("name", HEADS)
def test_two_gigabytes_are_read_quickly_and_not_whole(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(HEADS[name])
    os.truncate(path, 2 << 30)
    assert all(reading.label is None for reading in _bounded(path))


BOMB = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">' + "".join(
    f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(12)
)


@pytest.mark.parametrize(
    "packet",
    [
        f'{BOMB}]><x xmlns:T="{xmp.NAMESPACE}"><T:AIGC>&m;</T:AIGC></x>',
        f'<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]><x xmlns:T="{xmp.NAMESPACE}"><T:AIGC>&a;</T:AIGC></x>',
        f'<!DOCTYPE a [<!ENTITY % a SYSTEM "http://127.0.0.1/x"> %a;]><x xmlns:T="{xmp.NAMESPACE}"/>',
        f'<!DOCTYPE x [<!ATTLIST x xmlns:T CDATA "{xmp.NAMESPACE}">]><x><T:AIGC>1</T:AIGC></x>',
        f'<x xmlns:T="{xmp.NAMESPACE}"><T:AIGC>',
        f'<x xmlns:T="{xmp.NAMESPACE}">' + "<T:AIGC>" * 5000,
        f'<x xmlns:T="{xmp.NAMESPACE}">' + "<T:AIGC/>" * 50_000 + "</x>",
        f'<x xmlns:T="{xmp.NAMESPACE}"><T:AIGC>{"a" * 900_000}</T:AIGC></x>',
        f'<x xmlns:T="{xmp.NAMESPACE}"><T:AIGC>\udcff</T:AIGC></x>',
        f'\0<x xmlns:T="{xmp.NAMESPACE}"/>',
    ],
    ids=[
        "entities",
        "a file",
        "an address",
        "attributes",
        "cut short",
        "deep",
        "many",
        "long",
        "encoding",
        "zero",
    ],
)
@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_malformed_packets(suffix: str, packet: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    data = packet.encode("utf-8", "surrogateescape")
    if suffix == ".png":
        data = png_bytes()[:33] + png.framed(b"iTXt", png.XMP + bytes(5) + data) + png_bytes()[33:]
    else:
        data = data.replace(b"<x ", b"<svg ").replace(b"</x>", b"</svg>")
    path.write_bytes(data)
    found = _bounded(path)
    assert found
    assert all(reading.label is None and reading.fault for reading in found)
    if suffix == ".png":  # ours then takes its place
        carriers.write(path, LABEL)
        assert _labels(path) == [LABEL]


def test_two_labels_are_both_found_and_give_way_to_one(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    facts = PngImagePlugin.PngInfo()
    facts.add_text("AIGC", OTHER.to_json())
    facts.add_text("AIGC", OTHER.to_annex_json(), zip=True)
    facts.add_itxt("AIGC", "落霞", zip=True)
    facts.add_itxt("XML:com.adobe.xmp", xmp.packet(LABEL).decode(), zip=True)
    facts.add_text("Title", "kept")
    picture().save(path, pnginfo=facts)
    found = carriers.read(path)
    assert [reading.label for reading in found] == [OTHER, OTHER, None, LABEL]
    assert found[2].fault
    carriers.write(path, LABEL)
    assert _labels(path) == [LABEL]
    with Image.open(path) as image:
        assert image.info["Title"] == "kept"  # type: ignore[index]


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_comment_of_exif_is_found_and_blotted_out(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0" + OTHER.to_annex_json().encode()
    exif[0x010E] = "kept"
    picture().save(path, exif=exif)
    assert _labels(path) == [OTHER]
    carriers.write(path, LABEL)
    assert _labels(path) == [LABEL]
    with Image.open(path) as image:
        assert image.getexif()[0x010E] == "kept"
        assert image.getexif().get_ifd(0x8769)[0x9286].strip() == b"ASCII\0\0\0"


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".m4a"])
@pytest.mark.parametrize("flags", ["", "use_metadata_tags"])
def test_a_label_under_another_key_of_a_film_is_found_and_gives_way(
    suffix: str, flags: str, tmp_path: Path
) -> None:
    path = tmp_path / f"a{suffix}"
    with av.open(path, "w", options={"movflags": flags} if flags else {}) as file:
        file.metadata["comment"] = OTHER.to_json()
        file.metadata["title"] = "kept"
        stream = file.add_stream("aac", rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 48000
        file.mux(stream.encode(frame))
        file.mux(stream.encode())
    if suffix != ".mov" or flags:  # QuickTime's own form of a comment has no list
        assert _labels(path) == [OTHER]
    carriers.write(path, LABEL)
    assert _labels(path) == [LABEL]
    with av.open(path) as file:
        assert file.metadata["title"] == "kept"
        assert "comment" not in file.metadata


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".opus"])
def test_keys_in_other_letters_and_of_streams_give_way(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    with av.open(path, "w", options={"movflags": "use_metadata_tags"} if suffix == ".mp4" else {}) as file:
        stream = file.add_stream("libopus", rate=48000, layout="mono")
        file.metadata["aigc"] = "old"
        stream.metadata["Aigc"] = "older"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 960), np.int16), format="s16", layout="mono")
        frame.sample_rate = 48000
        file.mux(stream.encode(frame))
        file.mux(stream.encode())
    carriers.write(path, LABEL)
    assert _labels(path) == [LABEL]
    with av.open(path) as file:
        tags = [*file.metadata.items(), *file.streams[0].metadata.items()]
    assert [value for key, value in tags if key.upper() == "AIGC"] == [LABEL.to_json()]


RICH = (
    '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><r:RDF '
    'xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><r:Description r:about="" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/" dc:format="image/png" {0}><dc:creator>落霞</dc:creator>{1}'
    '</r:Description></r:RDF></x:xmpmeta><?xpacket end="w"?>'
)


@pytest.mark.parametrize("form", ["an element", "an attribute", "both"])
def test_other_properties_of_a_packet_stay(form: str) -> None:
    value = OTHER.to_json().replace('"', "&quot;")
    name = f'xmlns:Q="{xmp.NAMESPACE}"'
    attribute = f'{name} Q:AIGC="{value}"' if form != "an element" else name
    element = f"<Q:AIGC>{value}</Q:AIGC>" if form != "an attribute" else ""
    old = RICH.format(attribute, element).encode()
    expected = 2 if form == "both" else 1
    assert [reading.label for reading in xmp.labels(old, "")] == [OTHER] * expected
    new = xmp.labelled(old, LABEL)
    assert [reading.label for reading in xmp.labels(new, "")] == [LABEL]
    assert xmp.labelled(new, LABEL) == new
    assert 'dc:format="image/png"' in new.decode()
    assert "<dc:creator>落霞</dc:creator>" in new.decode()


def test_a_packet_in_another_encoding_is_read() -> None:
    packet = xmp.packet(LABEL).decode()
    assert [reading.label for reading in xmp.labels(packet.encode("utf-16"), "")] == [LABEL]


def test_texts_that_unpack_to_gigabytes_are_not_unpacked(tmp_path: Path) -> None:
    packed = zlib.compress(bytes(1 << 28))
    for text in (
        png.framed(b"zTXt", b"AIGC\0\0" + packed),
        png.framed(b"iTXt", png.XMP + b"\0\1\0\0\0" + packed),
    ):
        path = tmp_path / "a.png"
        path.write_bytes(png_bytes()[:33] + text + png_bytes()[33:])
        assert [str(reading.fault) for reading in _bounded(path)] == [
            "the text at byte 33 unpacks to more than is read"
        ]


def test_packages_that_unpack_to_gigabytes_are_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "a.docx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("[Content_Types].xml", "<Types></Types>")
        with package.open("docProps/custom.xml", "w", force_zip64=True) as part:
            for _ in range(64):
                part.write(bytes(1 << 22))
    found = _bounded(path)
    assert [reading.label for reading in found] == [None]
    with pytest.raises(UserError):
        carriers.write(path, LABEL)


def test_a_checksum_that_is_wrong_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png_bytes())
    carriers.write(path, LABEL)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"T1XGW3", b"T1XGW4"))
    found = carriers.read(path)
    assert found[0].label == Label.first("001191440300708461136T1XGW4", LABEL.produce_id)
    assert "checksum" in str(found[1].fault)


def test_a_pdf_that_unpacks_to_gigabytes_is_not_unpacked(tmp_path: Path) -> None:
    path = make("a.pdf", tmp_path)
    packed = zlib.compress(bytes(1 << 28), 9)
    body = (
        b"%PDF-1.7\n1 0 obj\n<</Type/XRef/Size 1000000000/W[1 2 1]/Filter/FlateDecode/Length "
        + str(len(packed)).encode()
    )
    path.write_bytes(body + b">>\nstream\n" + packed + b"\nendstream\nendobj\nstartxref\n9\n%%EOF\n")
    assert [reading.label for reading in _bounded(path, memory=256 << 20)] == [None]


def test_endless_empty_parts_end_the_reading(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF\xff\xff\xff\xffWAVE" + riff.framed(b"JUNK", b"") * 300_000)
    assert "parts" in str(carriers.read(path)[0].fault)


@pytest.mark.parametrize("name", ["a.json", "a.md", "a.txt", "a.html"])
@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        '{"a":' * 200_000,
        "<a '" * 200_000,
        "<!--" * 200_000,
        "---\n" + " x\n" * 200_000,
        "{" + "9" * 900_000,
    ],
)
def test_texts_that_nest_or_repeat_cost_little(name: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text)
    assert all(reading.label is None for reading in _bounded(path))


def test_a_page_of_tags_that_never_end(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("<p" * (1 << 16))
    assert _bounded(path) == []
