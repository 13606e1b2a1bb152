"""Films in files: their frames, times and codecs."""

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from luoxia.core.errors import UserError
from luoxia.workspace import encoding
from luoxia.workspace.encoding import Film


@pytest.fixture
def frames() -> np.ndarray:
    """A square that moves right, on a colour that fades."""
    made = np.zeros((10, 3, 16, 16), np.uint8)
    for i in range(10):
        made[i, 0] = 20 * i
        made[i, 1, 4:12, i : i + 6] = 200
    return made


def film(frames: np.ndarray, rate: float, scale: int) -> Film:
    return Film((frame.transpose(1, 2, 0).repeat(scale, 0).repeat(scale, 1) for frame in frames), rate)


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_pictures_that_move(frames: np.ndarray, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    encoding.write(film(frames, 20, 2), path)
    with Image.open(path) as shown:
        assert (shown.size, shown.n_frames, shown.info["loop"]) == ((32, 32), 10, 0)
        shown.seek(7)
        pixels = np.asarray(shown.convert("RGB"), int)[::2, ::2].transpose(2, 0, 1)
        assert np.abs(pixels - frames[7]).mean() < 20
        assert shown.info["duration"] == 50


@pytest.mark.parametrize(("suffix", "codec"), [(".mp4", "h264"), (".mov", "h264"), (".webm", "vp9")])
def test_a_film(frames: np.ndarray, tmp_path: Path, suffix: str, codec: str) -> None:
    path = tmp_path / f"a{suffix}"
    encoding.write(film(frames, 25, 4), path)
    with av.open(str(path)) as shown:
        stream = shown.streams.video[0]
        pixels = [frame.to_ndarray(format="rgb24") for frame in shown.decode(stream)]
        assert (stream.codec_context.name, float(stream.average_rate)) == (codec, 25)
    assert np.shape(pixels) == (10, 64, 64, 3)
    assert np.abs(pixels[7].astype(int).transpose(2, 0, 1)[:, ::4, ::4] - frames[7]).mean() < 25


def test_a_name_that_is_no_films(frames: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"\.mp4, \.mov"):
        encoding.write(film(frames, 25, 1), tmp_path / "a.avi")
    assert not list(tmp_path.iterdir())
