import locale

import pytest

from luoxia.core.errors import FetchError, UserError
from luoxia.core.language import Text, current


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("LUOXIA_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("variables", "language"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_TW"}, "zh"),
        ({"LANG": "en_GB.UTF-8"}, "en"),
        ({"LANG": "fr_FR.UTF-8"}, "en"),
        ({"LANG": "en_US", "LC_ALL": "zh_CN"}, "zh"),
        ({"LANG": "zh_CN", "LC_MESSAGES": "C"}, "en"),
        ({"LC_ALL": "", "LANG": "zh_CN"}, "zh"),
        ({"LANG": "zh_CN", "LUOXIA_LANG": "en"}, "en"),
        ({"LANG": "en_US", "LUOXIA_LANG": "zh"}, "zh"),
    ],
)
def test_language_comes_from_the_environment(
    environment: pytest.MonkeyPatch, variables: dict[str, str], language: str
) -> None:
    for name, value in variables.items():
        environment.setenv(name, value)
    assert current() == language


@pytest.mark.parametrize(
    ("name", "language"),
    [("Chinese (Simplified)_China", "zh"), ("zh_CN", "zh"), ("en_US", "en"), (None, "en")],
)
def test_language_falls_back_to_the_system_locale(
    environment: pytest.MonkeyPatch, name: str | None, language: str
) -> None:
    environment.setattr(locale, "getlocale", lambda: (name, "UTF-8"))
    assert current() == language


def test_text_speaks_the_chosen_language_and_the_users(environment: pytest.MonkeyPatch) -> None:
    text = Text("goose", "孤鹜")
    assert (text.in_("en"), text.in_("zh"), text.in_("fr")) == ("goose", "孤鹜", "goose")
    environment.setenv("LUOXIA_LANG", "zh")
    assert str(text) == "孤鹜"


def test_user_error_is_one_line_in_both_languages(environment: pytest.MonkeyPatch) -> None:
    error = FetchError("The file\n  is gone.", "文件\n丢失。")
    assert isinstance(error, UserError)
    assert isinstance(error, ValueError)
    environment.setenv("LUOXIA_LANG", "en")
    assert str(error) == "The file is gone."
    environment.setenv("LUOXIA_LANG", "zh")
    assert str(error) == "文件 丢失。"
