"""`luoxia data get`: what it brings, and what it does not."""

from __future__ import annotations

import tiny_icons
from typer.testing import CliRunner

from luoxia.cli.data import app
from luoxia.data import icon_packages, icons


def test_icons_are_brought_drawn_and_listed_with_their_licences(tmp_path, monkeypatch):
    makers = tiny_icons.publish(monkeypatch, tmp_path)
    for function in (icon_packages.get, icon_packages.require):
        monkeypatch.setattr(function, "__defaults__", (makers,))
    for function in (icons.draw, icons.contents):
        monkeypatch.setattr(function, "__kwdefaults__", {**function.__kwdefaults__, "makers": makers})
    monkeypatch.setattr(icons, "MOST", 20)
    done = CliRunner().invoke(app, ["get", "icons", "--size", "16"], catch_exceptions=False)
    assert done.exit_code == 0
    assert "cartoon" in done.stdout
    assert "Set 1 by A. Maker, MIT" in done.stdout
    assert "icons-16 is here" in done.stderr
    assert (tmp_path / "data" / f"icons-16-v{icons.VERSION}.data" / "images.npy").exists()


def test_other_sets_are_not_fetched(tmp_path, monkeypatch):
    monkeypatch.setenv("LUOXIA_HOME", str(tmp_path))
    done = CliRunner().invoke(app, ["get", "avatars"])
    assert done.exit_code != 0
    assert "avatars is not fetched" in str(done.exception)
