"""Verdicts, poems and models as the page is told of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from luoxia.core.language import Text
from luoxia.core.licences import each_once
from luoxia.data.verse.forms import FORMS
from luoxia.data.verse.sounds import book
from luoxia.server.near import near_of
from luoxia.server.poem.asks import (
    OldPoem,
    PoemFault,
    PoemForm,
    PoemLine,
    PoemModel,
    PoemTerms,
    PoemVerdict,
    RhymeBook,
    WrittenPoem,
)
from luoxia.server.schemas import Bilingual
from luoxia.weights import catalogue

if TYPE_CHECKING:
    from luoxia.data.verse.originals import Original
    from luoxia.data.verse.verdict import Mark, Verdict
    from luoxia.generate.verse_order import Verse
    from luoxia.weights.verse_folder import VerseFolder
    from luoxia.workspace.publish import Published

BOOKS = ("平水韵", "新韵")


def verdict_of(verdict: Verdict) -> PoemVerdict:
    return PoemVerdict(**_facts(verdict))


def poem_of(poem: Verse, left: Published) -> WrittenPoem:
    return WrittenPoem(
        **_facts(poem.verdict),
        number=poem.number,
        title=poem.title,
        unread=poem.unread,
        checked=poem.checked,
        creation=left.creation.id,
        sentence=left.sentence,
        near=near_of([left]),
    )


def old_poem(found: Original) -> OldPoem:
    return OldPoem(run=found.run, title=found.title, author=found.author, lines=list(found.lines))


def terms(*, originals: bool) -> PoemTerms:
    """What can be chosen from, whatever the model."""
    forms = [PoemForm(id=f.id, lines=f.lines, length=f.length, **_both(f.title)) for f in FORMS.values()]
    books = []
    for known in map(book, BOOKS):
        level = [known.names[i] for i in known.level]
        books.append(RhymeBook(id=known.id, level=level, **_both(known.title)))
    return PoemTerms(forms=forms, books=books, originals=originals)


def model_of(told: VerseFolder) -> PoemModel:
    entry = catalogue.CATALOGUE.get(told.name)
    return PoemModel(
        id=told.name,
        title=entry.title if entry else told.name,
        summary=Bilingual(**_both(entry.summary)) if entry else None,
        publisher=entry.publisher if entry else None,
        licence=[entry.licence] if entry else list(each_once(told.licence)),
        authors=list(told.tokenizer.authors),
        remembers=told.lines is not None,
    )


def _facts(verdict: Verdict) -> dict[str, Any]:
    faults = [PoemFault(kind=f.kind, line=f.line, **_both(f.text)) for f in verdict.faults]  # type: ignore[arg-type]
    return {
        "lines": [_line(marks) for marks in verdict.lines],
        "form": verdict.form.id if verdict.form else None,
        "book": verdict.book.id,
        "rhyme": verdict.rhyme,
        "pattern": Bilingual(**_both(verdict.pattern.title)) if verdict.pattern else None,
        "faults": faults,
        "remarks": [Bilingual(**_both(remark)) for remark in verdict.remarks],
    }


def _line(marks: tuple[Mark, ...]) -> PoemLine:
    return PoemLine(
        text="".join(mark.character for mark in marks),
        tones="".join(mark.tone for mark in marks),
        wanted="".join(mark.wanted for mark in marks),
        wrong=[place for place, mark in enumerate(marks) if mark.wrong],
        rhymes=bool(marks) and marks[-1].rhymes,
    )


def _both(text: Text) -> dict[str, str]:
    return {"en": text.en, "zh": text.zh}
