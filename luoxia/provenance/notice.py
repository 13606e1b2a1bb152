"""The mark on texts that everyone reads: a sentence at the beginning (GB 45438-2025, 5.1)."""

from __future__ import annotations

import re

from luoxia.provenance.carriers.markup import escaped

_MATTER = re.compile(r"\ufeff?---[ \t]*\r?\n(?:.*\n)*?(?:---|\.\.\.)[ \t]*(?:\r?\n)+")
_BODY = re.compile(r"""<body(?:\s(?:[^"'>]|"[^"]*"|'[^']*')*)?>""", re.IGNORECASE)
_HEAD = re.compile(r"""</head\s*>|<html(?:\s(?:[^"'>]|"[^"]*"|'[^']*')*)?>|<!doctype[^>]*>""", re.IGNORECASE)
_MARKDOWN = re.compile(r"([\\`*_\[\]<>&#~|])")
STYLE = "all:revert!important;display:block!important;visibility:visible!important;margin:0 0 1em!important"


def mark(text: str, suffix: str, sentence: str) -> str:
    """``text`` with ``sentence`` first, in the form that a file of that ``suffix`` asks for.

    Known are ".md", ".markdown", ".html" and ".htm"; all others are plain text. A text that begins with it already
    stays as it is.
    """
    if suffix.lower() in (".md", ".markdown"):
        matter = _MATTER.match(text)
        return _before(text, matter.end() if matter else 0, "> " + _MARKDOWN.sub(r"\\\1", sentence) + "\n\n")
    if suffix.lower() in (".html", ".htm"):
        found = _BODY.search(text) or next(reversed(list(_HEAD.finditer(text))), None)
        return _before(text, found.end() if found else 0, f'<p style="{STYLE}">{escaped(sentence)}</p>')
    return _before(text, 1 if text.startswith("\ufeff") else 0, sentence + "\n\n")


def _before(text: str, at: int, line: str) -> str:
    return text if text.startswith(line, at) else text[:at] + line + text[at:]


def taken_off(text: str, sentence: str) -> str:
    """``text`` without front matter, and without the first ``sentence`` in any of the forms of :func:`mark`."""
    matter = _MATTER.match(text)
    text = text[matter.end() :] if matter else text
    for form in ("> " + _MARKDOWN.sub(r"\\\1", sentence), sentence):
        text = text.replace(form, "", 1)
    return text
