"""Makes sure that a model is on this machine before it is asked to write."""

from __future__ import annotations

from luoxia.core.progress import bar
from luoxia.weights.catalogue import CATALOGUE, DEFAULT_TEXT_MODEL, Entry, is_here
from luoxia.weights.fetch import fetch


def bring(entry: Entry) -> None:
    """Fetch the model, telling what comes from where."""
    with bar(entry.title) as progress:
        fetch(entry, progress=progress)


def make_ready(model: str) -> None:
    """Fetch the default model, without which nothing can be written; no other comes unasked."""
    if model == DEFAULT_TEXT_MODEL and not is_here(CATALOGUE[model]):
        bring(CATALOGUE[model])
