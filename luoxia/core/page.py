"""One page of HTML that refers to nothing outside of itself: what reports are written as."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 84rem; margin: 2rem auto; padding: 0 1rem;
       color: #1c1c1c; background: #fafaf7; }
@media (prefers-color-scheme: dark) { body { color: #eceae4; background: #17181a; } }
.row { display: flex; flex-wrap: wrap; gap: 1.5rem; } figure { margin: 0; } svg, img { max-width: 100%; height: auto; }
img { image-rendering: pixelated; width: 20rem; } table { border-collapse: collapse; }
.wide { flex-direction: column; } .wide img { width: auto; } .small { gap: .6rem; } .small img { width: 6rem; } .small figcaption { font-size: .75rem; max-width: 6rem;
         overflow-wrap: anywhere; }
pre { white-space: pre-wrap; max-width: 60rem; border-left: 2px solid #8886; padding-left: .8rem; }
td, th { text-align: left; padding: .15rem 1rem .15rem 0; vertical-align: top; font-variant-numeric: tabular-nums; }
"""
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def page(title: str, body: str, lang: str) -> str:
    """The whole document; ``body`` is HTML, ``title`` is text."""
    title = escape(title)
    return f"""<!doctype html>
<html lang="{lang}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{title}</title><style>{STYLE}</style></head><body>
<h1>{title}</h1>
{body}
</body></html>
"""


def table(facts: Mapping[str, Any]) -> str:
    """Names and values in two columns."""
    lines = "".join(f"<tr><th>{escape(str(k))}</th><td>{escape(str(v))}</td></tr>" for k, v in facts.items())
    return f"<table>{lines}</table>"


def grid_table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Texts in columns under a heading each."""
    head = "".join(f"<th>{escape(text)}</th>" for text in heading)
    lines = "".join(f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in row)}</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{lines}</table>"


def figure(png: bytes | Image, caption: str) -> str:
    """A picture, carried in the page, with ``caption`` (text) below it."""
    if not isinstance(png, bytes):
        file = io.BytesIO()
        png.save(file, "PNG")
        png = file.getvalue()
    data, caption = base64.b64encode(png).decode(), escape(caption)
    return f'<figure><img alt="{caption}" src="data:image/png;base64,{data}"><figcaption>{caption}</figcaption></figure>'
