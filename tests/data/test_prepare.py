"""From a folder to a set: splits, classes, the doctor's findings, and what is refused."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageFilter

from luoxia.core.errors import UserError
from luoxia.data import duplicates, prepared
from luoxia.data.images import load
from luoxia.data.prepare import examine, prepare, split
from luoxia.data.survey import Seen


def photo(seed, size=(64, 64)):
    """Smooth colours, as photographs have: no two seeds look alike."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 5, 3)).astype(np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def fill(root, count=40, size=(64, 64), suffix="png"):
    root.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        photo(i, size).save(root / f"{i:03}.{suffix}")
    return root


def texts(found, kind):
    return " | ".join(f.text.en for f in found.findings() if f.kind == kind)


def test_a_prepared_folder_is_what_load_gives_and_tells_its_licence(tmp_path):
    fill(tmp_path / "photos")
    images, _ = prepare(str(tmp_path / "photos"), tmp_path / "p.data", size=32, licence="CC0, by nobody")
    back = load(tmp_path / "p.data")
    assert back.size == 32
    assert back.licence == ("photos: CC0, by nobody",)
    assert len(back.train) + len(back.held_out) == 40
    assert len(back.held_out) >= 1
    assert back.digest == images.digest
    assert sorted(p.name for p in tmp_path.iterdir()) == ["p.data", "photos"]


def test_a_set_prepared_again_takes_the_new_licence_and_captions(tmp_path):
    root = fill(tmp_path / "photos", 10)
    prepare(str(root), tmp_path / "p.data", size=16)
    prepare(str(root), tmp_path / "p.data", size=16, licence="CC0, by nobody")
    assert load(tmp_path / "p.data").licence == ("photos: CC0, by nobody",)
    (root / "003.txt").write_text("a sunset")
    prepare(str(root), tmp_path / "p.data", size=16, licence="CC0, by nobody")
    captions = load(tmp_path / "p.data").captions
    assert captions is not None
    assert captions[3].en == "a sunset"


def test_the_outcome_does_not_depend_on_threads(tmp_path):
    fill(tmp_path / "photos")
    one, _ = prepare(str(tmp_path / "photos"), tmp_path / "1.data", size=16, threads=1)
    two, _ = prepare(str(tmp_path / "photos"), tmp_path / "8.data", size=16, threads=8)
    assert one.digest == two.digest
    assert (tmp_path / "1.data/images.npy").read_bytes() == (tmp_path / "8.data/images.npy").read_bytes()


def test_plain_folders_are_prepared_when_they_are_trained_on_and_again_when_they_change(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("LUOXIA_HOME", str(tmp_path / "home"))
    root = fill(tmp_path / "photos")
    first = load(root, size=16)
    assert load(root, size=16).digest == first.digest
    assert len(list((tmp_path / "home/data").iterdir())) == 1
    photo(99).save(root / "new.png")
    assert len(load(root, size=16).images) == 41


def test_the_split_keeps_pictures_on_their_side_when_others_come(tmp_path):
    root = fill(tmp_path / "photos", 60)
    before, found = prepare(str(root), tmp_path / "a.data", size=16)
    out = {found.survey.seen[i].name for i in before.held_out}
    for i in range(60, 90):
        photo(i).save(root / f"{i:03}.png")
    after, found = prepare(str(root), tmp_path / "b.data", size=16)
    still = {found.survey.seen[i].name for i in after.held_out}
    assert {n for n in still if int(n[:3]) < 60} == out


def test_near_duplicates_are_grouped_and_others_are_not(tmp_path):
    original = photo(3, (200, 200))
    copies = [
        original.resize((120, 120)),
        original.filter(ImageFilter.GaussianBlur(1)),
        original.point(lambda v: min(255, v + 6)),
    ]
    file = io.BytesIO()
    original.save(file, "JPEG", quality=40)
    copies.append(Image.open(file))
    pictures = [original, *copies, *(photo(i, (200, 200)) for i in range(10, 40))]
    stack = np.stack([np.asarray(p.resize((64, 64))).transpose(2, 0, 1) for p in pictures])
    assert duplicates.near(stack) == [[0, 1, 2, 3, 4]]


def test_groups_stay_on_one_side():
    seen = [Seen(f"{i}", (8, 8), "L", (), None, True, f"{i * 2654435761 % 2**32:08x}") for i in range(400)]
    near = [[i, i + 1, i + 2] for i in range(0, 390, 3)]
    out = set(split(seen, near).tolist())
    assert 5 <= len(out) <= 80
    assert all(len(out & set(group)) in (0, 3) for group in near)


def test_declared_parts_are_kept_and_leaks_are_found(tmp_path):
    fill(tmp_path / "set/train", 20)
    for i in range(50, 56):
        (tmp_path / "set/test").mkdir(exist_ok=True)
        photo(i).save(tmp_path / f"set/test/{i}.png")
    photo(4).save(tmp_path / "set/test/copy.jpg", quality=60)  # a training picture, compressed again
    images, found = prepare(str(tmp_path / "set"), tmp_path / "s.data", size=32)
    names = {found.survey.seen[i].name for i in images.held_out}
    assert {f"test/{i}.png" for i in range(50, 56)} <= names
    assert {"train/004.png", "test/copy.jpg"} <= names
    assert "1 held-out pictures are in the training part too" in texts(found, "look")


@pytest.mark.parametrize("held", ["test", "val"])
def test_a_copy_of_a_training_picture_in_the_held_out_part_is_held_out(held, tmp_path):
    """Whichever of both is met first and kept."""
    fill(tmp_path / "set/train", 20)
    (tmp_path / f"set/{held}").mkdir()
    for i in range(50, 56):
        photo(i).save(tmp_path / f"set/{held}/{i}.png")
    photo(4).save(tmp_path / f"set/{held}/copy.png")
    images, found = prepare(str(tmp_path / "set"), tmp_path / "s.data", size=32)
    kept = [i for i, s in enumerate(found.survey.seen) if s.name in ("train/004.png", f"{held}/copy.png")]
    assert len(kept) == 1
    assert kept[0] in images.held_out
    assert len(images.held_out) == 7
    assert "1 held-out pictures are in the training part too" in texts(found, "look")


def test_classes_come_from_folders(tmp_path):
    fill(tmp_path / "pets/cat", 12)
    (tmp_path / "pets/dog").mkdir()
    for i in range(100, 112):
        photo(i).save(tmp_path / f"pets/dog/{i}.png")
    images, _ = prepare(str(tmp_path / "pets"), tmp_path / "p.data", size=16)
    assert images.classes == ("cat", "dog")
    assert images.labels is not None
    assert images.labels.tolist() == [0] * 12 + [1] * 12
    photo(200).save(tmp_path / "pets/stray.png")
    images, found = prepare(str(tmp_path / "pets"), tmp_path / "q.data", size=16)
    assert images.labels is None
    assert "outside of the class folders" in texts(found, "look")


def test_the_doctor_says_what_was_fixed_left_out_and_is_to_be_looked_at(tmp_path):
    root = fill(tmp_path / "photos", 12)
    Image.new("RGBA", (64, 64), (255, 0, 0, 80)).save(root / "glass.png")
    photo(20).convert("CMYK").save(root / "print.jpg")
    Image.fromarray(np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) * 16).save(root / "deep.png")
    exif = Image.Exif()
    exif[0x0112] = 8
    photo(21).save(root / "turned.jpg", exif=exif)
    (root / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 nothing")
    photo(22, (6, 6)).save(root / "tiny.png")
    photo(1).save(root / "zz-copy.png")
    photo(23, (200, 60)).save(root / "long.png")
    framed = Image.new("RGB", (84, 84))
    noise = np.random.default_rng(5).integers(60, 200, (64, 64, 3)).astype(np.uint8)
    framed.paste(Image.fromarray(noise), (10, 10))
    framed.save(root / "framed.png")
    (tmp_path / "scratch").mkdir()
    found = examine(str(root), tmp_path / "scratch", size=32)
    assert {k for k in ("transparent", "16 bits", "EXIF", "another mode") if k in texts(found, "fixed")} == {
        "transparent",
        "16 bits",
        "EXIF",
        "another mode",
    }
    assert texts(found, "left out") == "1 cannot be decoded | 1 too small | 1 repeat another picture"
    assert "1 with a caption, frame or neighbour" in texts(found, "look")
    assert "1 so long" in texts(found, "look")
    for lang, words in (("en", "cannot be decoded"), ("zh", "无法解码")):
        page = found.page(lang)
        assert words in page
        assert "zz-copy.png" in page
        assert "data:image/png;base64," in page
        assert "default-src 'none'" in page


def test_trim_cuts_strips_off(tmp_path):
    root = tmp_path / "photos"
    root.mkdir()
    for i in range(10):
        framed = Image.new("RGB", (84, 84))
        noise = np.random.default_rng(i).integers(60, 200, (64, 64, 3)).astype(np.uint8)
        framed.paste(Image.fromarray(noise), (10, 10))
        framed.save(root / f"{i}.png")
    plain, _ = prepare(str(root), tmp_path / "a.data", size=32)
    trimmed, _ = prepare(str(root), tmp_path / "b.data", size=32, trim=True)
    assert plain.images[:, :, 0].max() == 0
    assert trimmed.images[:, :, 0].min() > 40


def test_uneven_classes_are_told(tmp_path):
    fill(tmp_path / "pets/cat", 44)
    (tmp_path / "pets/dog").mkdir()
    for i in range(100, 104):
        photo(i).save(tmp_path / f"pets/dog/{i}.png")
    (tmp_path / "scratch").mkdir()
    found = examine(str(tmp_path / "pets"), tmp_path / "scratch")
    assert "classes are uneven: 44 of cat, 4 of dog" in texts(found, "look")


def test_grey_pictures_have_one_channel(tmp_path):
    root = tmp_path / "digits"
    root.mkdir()
    for i in range(10):
        photo(i, (28, 28)).convert("L").save(root / f"{i}.png")
    images, _ = prepare(str(root), tmp_path / "d.data")
    assert images.images.shape == (10, 1, 28, 28)


def test_file_names_are_text_in_the_report(tmp_path):
    root = fill(tmp_path / "photos", 8)
    (root / "<img src=x onerror=alert(1)>.png").write_bytes(b"")
    (tmp_path / "scratch").mkdir()
    page = examine(str(root), tmp_path / "scratch").page("en")
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda root: root.mkdir(), "holds no pictures"),
        (lambda root: fill(root, 1), "training needs 8"),
        (lambda root: fill(root, 10, (64, 48)), "give --size"),
        (lambda root: (fill(root, 10), photo(50, (32, 32)).save(root / "other.png")), "not all 64 x 64"),
        (lambda root: (root.mkdir(), (root / "a.png").write_bytes(b"no")), "no picture that can be used"),
    ],
)
def test_what_cannot_be_prepared_says_why_and_leaves_nothing(make, says, tmp_path):
    make(tmp_path / "photos")
    with pytest.raises(UserError, match=says):
        prepare(str(tmp_path / "photos"), tmp_path / "p.data")
    assert [p.name for p in tmp_path.iterdir()] == ["photos"]


def test_nothing_else_is_written_over_and_a_set_is_replaced_whole(tmp_path):
    fill(tmp_path / "photos", 10)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="no prepared data"):
        prepare(str(tmp_path / "photos"), tmp_path / "mine", size=16)
    with pytest.raises(UserError, match="--size 8 to 1024"):
        prepare(str(tmp_path / "photos"), tmp_path / "p.data", size=5_000)
    prepare(str(tmp_path / "photos"), tmp_path / "p.data", size=16)
    prepare(str(tmp_path / "photos"), tmp_path / "p.data", size=32)
    assert prepared.read(tmp_path / "p.data").size == 32
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine", "p.data", "photos"]
