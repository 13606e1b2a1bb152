"""The doctor of a corpus: what it holds, what was cleaned, what was left out and why, and what a person should look at."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from html import escape
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from luoxia.core.language import Text
from luoxia.core.page import grid_table, page, table
from luoxia.core.progress import readable_size
from luoxia.data.cleaning import CLEANED
from luoxia.data.corpus import Corpus
from luoxia.data.corpus_split import Division
from luoxia.data.near_texts import SIDE
from luoxia.data.tokens import TokenSet
from luoxia.models.tokenizer import Tokenizer

EXAMPLES = 40  # of one finding
EXCERPT = 120  # characters
LENGTHS = (0, 30, 100, 300, 1000, 3000, 10_000, 100_000, 1_000_000)
LEFT_OUT = {
    "taken down": Text("documents taken down on this machine", "篇文档已在本机下架"),
    "unreadable": Text("files that cannot be read as text", "个文件无法作为文本读取"),
    "row": Text("rows without a text", "行没有文本"),
    "empty": Text("documents with nothing in them", "篇文档没有内容"),
    "short": Text("documents too short", "篇文档太短"),
    "long": Text("documents too long", "篇文档太长"),
    "language": Text("documents in other languages", "篇文档为其他语言"),
}


@dataclass(frozen=True)
class Finding:
    """One line of the report. ``kind`` "fixed", "left out" or "look"; ``examples`` are shown below it."""

    kind: str
    text: Text
    examples: tuple[Text, ...] = ()


class CorpusExamination:
    """A corpus with its division, and once it is written, what its tokens are."""

    def __init__(self, corpus: Corpus, division: Division) -> None:
        self.corpus, self.division = corpus, division
        self.tokenizer: Tokenizer | None = None
        self.licence: tuple[str, ...] = ()
        self.tokens = dict[Text, str]()
        self._shown = {i: self._excerpt(i) for i in self._to_show()}

    def facts(self) -> dict[str, str]:
        """Counts, languages, lengths, encodings and tokens, under names in the user's language."""
        log, kept = self.corpus.log, self._kept()
        sizes = self.corpus.size
        kinds = ", ".join(f"{kind} {n:,}" for kind, n in log.kinds.most_common())
        facts = {
            Text("files", "文件"): f"{len(log.files):,} ({kinds})",
            Text("documents", "文档"): f"{len(kept):,}, {readable_size(int(sizes[kept].sum()))}",
            Text("held out", "留出"): self._held_out(),
            Text("left out", "剔除"): f"{sum(self.removed().values()):,}",
            Text("languages", "语言"): ", ".join(f"{name} {n:,}" for name, n in self.languages().items()),
            Text("lengths", "长度"): _lengths(self.corpus.chars[kept]),
            Text("encodings", "编码"): ", ".join(f"{name} {n:,}" for name, n in log.encodings.most_common())
            or "-",
        }
        if log.others:
            others = ", ".join(f"{suffix} {n:,}" for suffix, n in log.others.most_common(8))
            facts[Text("other files", "其他文件")] = others
        if self.licence:
            facts[Text("licence", "许可")] = "; ".join(self.licence)
        facts.update(self.tokens)
        return {str(name): value for name, value in facts.items()}

    def languages(self) -> dict[str, int]:
        """Kept documents of each language; of each script, where languages were not asked for."""
        counts = Counter(self.corpus.names[i] for i in self.corpus.language[self._kept()].tolist())
        return dict(counts.most_common())

    def removed(self) -> dict[str, int]:
        """How many documents, files and rows were left out, by reason."""
        division = self.division
        copies = {"copy": len(division.exact), "near copy": len(division.near)}
        return {**self.corpus.log.left_out, **{kind: n for kind, n in copies.items() if n}}

    def look_at(self, corpus: TokenSet) -> None:
        """Note what the tokens are, once they are written."""
        parts = (corpus.train, corpus.held_out)
        count, size = (sum(values) for values in zip(*((len(p.tokens), p.bytes) for p in parts), strict=True))
        used = np.zeros(corpus.vocab_size, bool)
        for part in parts:
            for at in range(0, len(part.tokens), 1 << 22):
                used[np.unique(part.tokens[at : at + (1 << 22)])] = True
        chars = int(self.corpus.chars[self._kept()].sum())
        self.tokens = {
            Text("tokens", "词元"): f"{count:,}: {len(parts[0].tokens):,} + {len(parts[1].tokens):,}",
            Text("per token", "每词元"): f"{size / count:.2f} B, {chars / count:.2f} "
            + str(Text("characters", "字符")),
            Text("vocabulary", "词表"): f"{int(used.sum()):,} / {corpus.vocab_size:,} "
            + str(Text("in use", "被使用")),
            Text("digest", "摘要"): corpus.digest[:16],
        }

    def findings(self) -> list[Finding]:
        """Everything worth a line: what was cleaned, what was left out, then what to look at."""
        return [*self._fixed(), *self._left_out(), *self._to_look_at()]

    def _fixed(self) -> list[Finding]:
        log, found = self.corpus.log, []
        foreign = sum(n for name, n in log.encodings.items() if name not in ("utf-8", "utf-8-sig"))
        if foreign:
            text = Text(
                f"{foreign:,} files of other encodings, now UTF-8",
                f"{foreign:,} 个文件为其他编码，已转为 UTF-8",
            )
            found.append(
                Finding("fixed", text, tuple(Text(f"{n}: {e}", f"{n}：{e}") for n, e in log.foreign))
            )
        for name, text in CLEANED.items():
            n = self.corpus.cleaned[name]
            if n:
                found.append(Finding("fixed", Text(f"{n:,} documents {text.en}", f"{n:,} 篇文档{text.zh}")))
        return found

    def _left_out(self) -> list[Finding]:
        log, found = self.corpus.log, []
        for kind, text in LEFT_OUT.items():
            n = log.left_out[kind]
            if n:
                notes = log.notes.get(kind, [])
                examples = tuple(Text(f"{name}: {why.en}", f"{name}：{why.zh}") for name, why in notes)
                found.append(Finding("left out", Text(f"{n:,} {text.en}", f"{n:,} {text.zh}"), examples))
        for copied, en, zh in (
            (self.division.exact, "documents that repeat another word for word", "篇文档与另一篇完全相同"),
            (self.division.near, "documents that nearly repeat another", "篇文档与另一篇几乎相同"),
        ):
            if len(copied):
                text = Text(f"{len(copied):,} {en}", f"{len(copied):,} {zh}")
                found.append(Finding("left out", text, tuple(self._both(*pair) for pair in _some(copied))))
        return found

    def _to_look_at(self) -> list[Finding]:
        division, found = self.division, []
        broken = [i for i in self._shown if "\ufffd" in self._shown[i]]
        if broken:
            text = Text("bytes that are no text are shown as \ufffd", "无法解码的字节显示为 \ufffd")
            found.append(Finding("look", text, tuple(self._one(i) for i in broken)))
        alike = self._alike()
        if len(alike):
            text = Text(
                f"{len(alike):,} pairs are alike by half or more: kept, on one side of the split",
                f"{len(alike):,} 对文档一半以上相似：保留，并划在同一侧",
            )
            found.append(Finding("look", text, tuple(self._both(*pair) for pair in _some(alike))))
        if division.leaks:
            n = division.leaks
            text = Text(
                f"{n:,} training documents are like held-out ones: held out, not trained on",
                f"{n:,} 篇训练文档与留出文档相似：已留出，不用于训练",
            )
            found.append(Finding("look", text))
        if division.cut >= 0:
            name = self.corpus.title(division.cut)
            text = Text(
                f"too few documents to hold whole ones out: the end of {name} is held out",
                f"文档太少，无法整篇留出：已留出 {name} 的末尾",
            )
            found.append(Finding("look", text))
        sizes = self.corpus.size[self._kept()]
        if len(sizes) > 1 and sizes.max() > sizes.sum() / 2 and division.cut < 0:
            i = int(self._kept()[sizes.argmax()])
            text = Text(
                f"{self.corpus.title(i)} is more than half of all text",
                f"{self.corpus.title(i)} 占全部文本的一半以上",
            )
            found.append(Finding("look", text))
        return found

    def page(self, lang: str) -> str:
        """The report as one page of HTML, with excerpts of what was left out and what is to be looked at."""
        heads = {
            "look": Text("To look at", "请查看"),
            "left out": Text("Left out", "剔除"),
            "fixed": Text("Cleaned", "已清理"),
        }
        parts, findings = [table(self.facts())], self.findings()
        for kind, head in heads.items():
            of_kind = [f for f in findings if f.kind == kind]
            if of_kind:
                parts.append(f"<h2>{escape(head.in_(lang))}</h2>")
                parts += [_section(f, lang) for f in of_kind]
        parts.append(self._samples(lang))
        return page(self.corpus.name, "\n".join(parts), lang)

    def _samples(self, lang: str) -> str:
        rows = []
        for i in _some(self._kept(), 12):
            text = self._shown[int(i)]
            cells = [self.corpus.title(int(i)), text]
            if self.tokenizer is not None:
                ids = self.tokenizer.engine.encode(text, add_special_tokens=False).ids
                cells.append("|".join(self.tokenizer.token(token) for token in ids))
            rows.append(cells)
        names = [Text("document", "文档"), Text("text", "文本"), Text("tokens", "词元")][
            : 2 + bool(self.tokenizer)
        ]
        heading = Text("Documents", "文档").in_(lang)
        return f"<h2>{escape(heading)}</h2>" + grid_table([name.in_(lang) for name in names], rows)

    def _kept(self) -> NDArray[np.int64]:
        return np.sort(np.concatenate([self.division.train, self.division.held_out]))

    def _held_out(self) -> str:
        sizes = self.division.spans(self.corpus, held_out=True)[1]
        total = sizes.sum() + self.division.spans(self.corpus, held_out=False)[1].sum()
        how = (
            Text("by their folders", "按文件夹划分")
            if self.division.declared
            else Text("by content", "按内容划分")
        )
        return f"{len(sizes):,}, {readable_size(int(sizes.sum()))} ({100 * sizes.sum() / total:.2g} %), {how}"

    def _alike(self) -> NDArray[np.int64]:
        """Pairs of kept documents that are alike."""
        found, kept = self.division.found, np.zeros(len(self.corpus), bool)
        kept[self._kept()] = True
        both = kept[found.one] & kept[found.other] & (found.alike >= SIDE)
        return np.stack([found.one[both], found.other[both]], 1)

    def _to_show(self) -> list[int]:
        pairs_ = [_some(p) for p in (self.division.exact, self.division.near, self._alike())]
        shown = [int(i) for pair in pairs_ for i in pair.ravel()]
        return sorted({*shown, *(int(i) for i in _some(self._kept(), 12))})

    def _excerpt(self, i: int) -> str:
        return " ".join(self.corpus.text(i, 4 * EXCERPT)[:EXCERPT].split())

    def _one(self, i: int) -> Text:
        title = self.corpus.title(i)
        return Text(f"{title}: {self._shown[i]}", f"{title}：{self._shown[i]}")

    def _both(self, one: int, other: int) -> Text:
        a, b = self._one(int(one)), self._one(int(other))
        return Text(f"{a.en} — {b.en}", f"{a.zh} — {b.zh}")


def _some(of: NDArray[np.int64], most: int = EXAMPLES) -> NDArray[np.int64]:
    """At most so many, evenly spread."""
    return of if len(of) <= most else of[np.linspace(0, len(of) - 1, most).astype(int)]


def _lengths(chars: NDArray[np.int64]) -> str:
    """How many documents have so many characters."""
    counts, _ = np.histogram(chars, [*LENGTHS, max(int(chars.max()), LENGTHS[-1]) + 1])
    names = [f"{a:,}-{b:,}" for a, b in pairwise(LENGTHS)] + [f"{LENGTHS[-1]:,}+"]
    return ", ".join(f"{name}: {n:,}" for name, n in zip(names, counts.tolist(), strict=True) if n)


def _section(finding: Finding, lang: str) -> str:
    shown = finding.examples[:EXAMPLES]
    listed = "".join(f"<li>{escape(text.in_(lang))}</li>" for text in shown)
    return f"<h3>{escape(finding.text.in_(lang))}</h3>" + (f"<ul>{listed}</ul>" if listed else "")
