"""A user's texts become a corpus that a GPT can be trained on: read, cleaned, without copies, split, and written as tokens.

The same corpus and the same options give the same tokens, however many threads there are. Memory holds some dozens of bytes
a document; texts lie in a file beside the output until they are written as tokens, and are removed then.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from luoxia.core.errors import UserError
from luoxia.core.progress import Progress, ProgressEvent
from luoxia.data import corpus_tokens, vocabulary_training
from luoxia.data.corpus import Corpus, Wanted, gather
from luoxia.data.corpus_findings import CorpusExamination
from luoxia.data.corpus_split import SHARE, divide
from luoxia.data.documents import PLAIN
from luoxia.data.rows import KINDS
from luoxia.data.sources import Source, find_files
from luoxia.data.tokens import FACTS, TokenSet, TokenWriter
from luoxia.models.tokenizer import Tokenizer

NEAR = 0.8  # as alike as this, of two documents one is a copy


def source_of(place: str) -> Source:
    """Where texts lie: a folder, a file, archives, or a set of the hub as ``hf:owner/name``."""
    if place.startswith("hf:"):
        from luoxia.data.huggingface import text_source

        return text_source(place[3:])
    return find_files(place)


def examine(
    place: str,
    scratch: Path,
    *,
    wanted: Wanted = Wanted(),
    near: float = NEAR,
    share: float = SHARE,
    progress: Progress = lambda _: None,
) -> CorpusExamination:
    """What there is at ``place``. Nothing but ``scratch`` is written."""
    corpus = gather(source_of(place), wanted, scratch, progress)
    _some(corpus)
    size = int(corpus.size.sum())
    progress(ProgressEvent("comparing", size, size))
    return CorpusExamination(corpus, divide(corpus, near=near, share=share))


def prepare(
    place: str,
    folder: Path,
    *,
    tokenizer: str,
    wanted: Wanted = Wanted(),
    near: float = NEAR,
    share: float = SHARE,
    licence: str = "",
    threads: int = 2,
    progress: Progress = lambda _: None,
) -> tuple[TokenSet, CorpusExamination]:
    """Write the texts at ``place`` as the corpus ``folder``; ``tokenizer`` is ``train:N`` or the name of a model.

    ``near`` and ``share`` are those of :func:`luoxia.data.corpus_split.divide`. The scratch file beside ``folder`` takes as
    much as the text.
    """
    _free(folder)
    size = vocabulary_training.wanted_size(tokenizer)
    of_model = corpus_tokens.of_model(tokenizer) if size is None else None
    source = source_of(place)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{folder.name}.", suffix=".part", dir=folder.parent) as scratch:
        found = examine(place, Path(scratch), wanted=wanted, near=near, share=share, progress=progress)
        corpus, division = found.corpus, found.division
        found.tokenizer = of_model or _learned(found, size or 0, progress)
        stated = [licence] if licence else list(dict.fromkeys(corpus.log.licences))
        found.licence = tuple(f"{source.name}: {one}" for one in stated or ["no licence was stated"])
        name = f"{source.name}, {size} byte pairs" if size else tokenizer
        with TokenWriter(folder, found.tokenizer, name=source.name, tokenizer_name=name) as writer:
            corpus_tokens.write(corpus, division, found.tokenizer, writer, threads, progress)
            tokens = writer.finish(
                licence=found.licence,
                source={"place": Path(place).name, "fingerprint": source.fingerprint},
                languages=found.languages(),
                removed=found.removed(),
                options={
                    "fields": list(wanted.fields),
                    "languages": list(wanted.languages),
                    "shortest": wanted.shortest,
                    "longest": wanted.longest,
                    "near": near,
                    "held_out": share,
                },
            )
        found.look_at(tokens)
    return tokens, found


def _learned(found: CorpusExamination, size: int, progress: Progress) -> Tokenizer:
    texts = corpus_tokens.sample(found.corpus, found.division, size, progress)
    return vocabulary_training.train(texts, size)


def _some(corpus: Corpus) -> None:
    if len(corpus):
        return
    notes = [(name, why) for some in corpus.log.notes.values() for name, why in some]
    if notes:
        name, why = notes[0]
        raise UserError(
            f"{corpus.name} holds no text that can be used: {name}, for one: {why.en}",
            f"{corpus.name} 中没有可用的文本：例如 {name}：{why.zh}",
        )
    known = " ".join(sorted((PLAIN | set(KINDS)) - {""}))
    raise UserError(
        f"{corpus.name} holds no text; known are {known}, packed as .gz, .bz2 or .xz too",
        f"{corpus.name} 中没有文本；可用格式有 {known}，也可为 .gz、.bz2 或 .xz 压缩",
    )


def _free(folder: Path) -> None:
    """A prepared corpus may be prepared again over itself; nothing else is written over."""
    if folder.exists() and not (folder / FACTS).is_file():
        raise UserError(
            f"{folder} is there already and is no prepared corpus: give another -o",
            f"{folder} 已存在且不是准备好的语料：请用 -o 另指定",
        )
