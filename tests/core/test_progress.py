import io
import re

import pytest

from luoxia.core import progress
from luoxia.core.progress import ProgressEvent, bar, readable_size


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUOXIA_LANG", "en")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (98_362_432, "98.4 MB"),
        (999_600, "1 MB"),
        (1_117_320_768, "1.12 GB"),
        (5_000_000_000_000, "5 TB"),
    ],
)
def test_sizes_are_readable(count: int, text: str) -> None:
    assert readable_size(count) == text


def test_log_gets_a_line_per_message_state_and_tenth() -> None:
    log = io.StringIO()
    with bar("model", log) as show:
        show(ProgressEvent("fetching", 0, 1000, "1 kB from the moon"))
        for done in range(1, 1001):
            show(ProgressEvent("fetching", done, 1000))
        show(ProgressEvent("checking", 1000, 1000))
        show(ProgressEvent("done", 1000, 1000))
    lines = log.getvalue().splitlines()
    assert lines[0] == "1 kB from the moon"
    assert lines[1] == "Fetching model: 0 B / 1 kB (0 %)"
    assert lines[2] == "Fetching model: 100 B / 1 kB (10 %)"
    assert lines[-2:] == ["Checking model: 1 kB / 1 kB (100 %)", "Done model: 1 kB / 1 kB (100 %)"]
    assert len(lines) == 1 + 1 + 10 + 2
    assert "\x1b" not in log.getvalue()


def test_log_gets_a_line_when_little_happens_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    now, log = 100.0, io.StringIO()
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    with bar("model", log) as show:
        for second in range(25):
            now = 100.0 + second
            show(ProgressEvent("fetching", 1 + second, 1_000_000))
    assert len(log.getvalue().splitlines()) == 3


def test_log_speaks_chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUOXIA_LANG", "zh")
    log = io.StringIO()
    with bar("模型", log) as show:
        show(ProgressEvent("fetching", 5, 10))
    assert log.getvalue() == "正在下载 模型: 5 B / 10 B (50 %)\n"


def test_unknown_total_is_no_division_by_zero() -> None:
    log = io.StringIO()
    with bar("model", log) as show:
        show(ProgressEvent("fetching", 5, 0))
    assert log.getvalue() == "Fetching model: 5 B / 0 B\n"


def test_terminal_gets_a_bar_with_bytes_and_the_message() -> None:
    terminal = Terminal()
    with bar("model [red]x[/red]", terminal) as show:
        show(ProgressEvent("fetching", 25_000_000, 100_000_000, "100 MB from [bold]the moon"))
        show(ProgressEvent("done", 100_000_000, 100_000_000))
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())
    assert "100 MB from [bold]the moon" in text  # what a publisher wrote is text, not markup
    assert "Done model [red]x[/red]" in text
    assert "100.0/100.0 MB" in text
    assert "━" in text


def test_dumb_terminal_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    terminal = Terminal()
    with bar("model", terminal) as show:
        show(ProgressEvent("done", 10, 10))
    assert terminal.getvalue() == "Done model: 10 B / 10 B (100 %)\n"


def test_bar_is_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with bar("model") as show:
        show(ProgressEvent("done", 10, 10))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("Done model")
