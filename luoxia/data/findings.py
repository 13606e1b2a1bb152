"""The dataset doctor: what a survey says about a set, what was mended, and what a person should look at."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from luoxia.core.images import grid
from luoxia.core.language import Text
from luoxia.core.page import figure, page, table
from luoxia.data.survey import LeftOut, Survey

THUMBNAILS = 40  # of one finding
SKEWED = 10  # times as many pictures in the largest class as in the smallest
FEW = 10  # pictures of a class
LONG = 2.0  # one side to the other: the middle square loses half of it
FIXES = {
    "rotated": Text("turned upright by their EXIF tag", "按 EXIF 标记转正"),
    "alpha": Text("transparent, laid on white", "含透明，已铺在白底上"),
    "first frame": Text("animated, first frame taken", "为动图，取第一帧"),
    "16 bit": Text("of 16 bits, scaled to 8", "为 16 位，已缩放到 8 位"),
    "profile": Text("converted to sRGB by their colour profile", "按色彩配置转换为 sRGB"),
    "mode": Text("converted to RGB from another mode", "由其他模式转换为 RGB"),
}


@dataclass(frozen=True)
class Finding:
    """One line of the report. ``kind`` "fixed", "left out" or "look"; ``groups`` are pictures to show together,
    each as (place in the survey or -1, caption); ``looks`` are the pictures of groups that the survey did not keep."""

    kind: str
    text: Text
    groups: tuple[tuple[tuple[int, str], ...], ...] = ()
    looks: tuple[NDArray[np.uint8], ...] = ()


@dataclass(frozen=True)
class Examination:
    """A survey with its groups of near duplicates; ``trim`` is whether strips were cut off."""

    survey: Survey
    near: list[list[int]]
    trim: bool

    def facts(self) -> dict[str, str]:
        """Counts, sizes, modes and classes, under names in the user's language."""
        made = self.survey
        sides = sorted(s.size for s in made.seen)
        modes = Counter(s.mode for s in made.seen)
        labels = Counter(s.label for s in made.seen if s.label is not None)
        facts = {
            Text("pictures", "图片"): str(len(made.seen)),
            Text("left out", "剔除"): str(len(made.left_out)),
            Text("other files", "其他文件"): str(made.others),
            Text("sizes", "尺寸"): _sizes(sides),
            Text("modes", "模式"): ", ".join(f"{mode} {n}" for mode, n in modes.most_common()),
        }
        if labels:
            shown = ", ".join(f"{name} {n}" for name, n in labels.most_common(12))
            facts[Text("classes", "类别")] = f"{len(labels)}: {shown}{' …' if len(labels) > 12 else ''}"
        captions = sum(s.captioned for s in made.seen)
        if captions:
            facts[Text("captions", "说明文字")] = f"{captions} / {len(made.seen)}"
        return {str(name): value for name, value in facts.items()}

    def findings(self) -> list[Finding]:
        """Everything worth a line: what was fixed, what was left out, then what to look at."""
        return [*self._fixed(), *self._left_out(), *self._to_look_at()]

    def _fixed(self) -> list[Finding]:
        found = []
        for name, text in FIXES.items():
            rows = [i for i, s in enumerate(self.survey.seen) if name in s.fixes]
            if rows:
                found.append(
                    self._finding("fixed", f"{len(rows)} {text.en}", f"{len(rows)} 张{text.zh}", rows)
                )
        rows = [i for i, s in enumerate(self.survey.seen) if s.strip]
        if rows and self.trim:
            n = len(rows)
            found.append(self._finding("fixed", f"{n} with strips cut off", f"{n} 张已切去边条", rows))
        return found

    def _left_out(self) -> list[Finding]:
        found, of_kind = [], dict[str, list[LeftOut]]()
        for one in self.survey.left_out:
            of_kind.setdefault(one.kind, []).append(one)
        names = {
            "broken": Text("cannot be decoded", "无法解码"),
            "small": Text("too small", "太小"),
            "copy": Text("repeat another picture", "与其他图片重复"),
            "no face": Text("without a face", "未检测到人脸"),
            "several": Text("with several faces", "有多张人脸"),
            "distant": Text("with a face too small", "人脸太小"),
            "aside": Text("with a face turned aside", "为侧脸"),
            "hidden": Text("with a face covered", "人脸被遮挡"),
            "outside": Text("with a face at the edge", "人脸在边缘"),
            "blurred": Text("blurred", "模糊"),
            "no caption": Text("without a caption", "没有说明文字"),
            "taken down": Text("taken down on this machine", "已在本机下架"),
            "table": Text("are tables that cannot be read", "为无法读取的表格"),
        }
        for kind, text in names.items():
            some = of_kind.get(kind, [])
            if some:
                groups = tuple(((one.twin, f"{one.name}: {one.why}"),) for one in some)
                looks = tuple(one.look for one in some if one.look is not None)
                found.append(
                    Finding(
                        "left out", Text(f"{len(some)} {text.en}", f"{len(some)} 张{text.zh}"), groups, looks
                    )
                )
        return found

    def _to_look_at(self) -> list[Finding]:
        seen, found = self.survey.seen, []
        strips = [i for i, s in enumerate(seen) if s.strip]
        if strips and not self.trim:
            en = f"{len(strips)} with a caption, frame or neighbour along an edge: --trim cuts it off"
            found.append(
                self._finding("look", en, f"{len(strips)} 张边缘带有文字、边框或邻图：--trim 可切去", strips)
            )
        if self.near:
            n = sum(map(len, self.near))
            text = Text(
                f"{n} in {len(self.near)} groups that show nearly the same: kept, on one side of the split",
                f"{len(self.near)} 组共 {n} 张几乎相同：保留，并划在同一侧",
            )
            groups = tuple(tuple((i, seen[i].name) for i in group) for group in self.near)
            found.append(Finding("look", text, groups))
        found += self._captions() + self._leaks() + self._conflicts() + self._classes()
        long = [i for i, s in enumerate(seen) if max(s.size) > LONG * min(s.size)]
        if long:
            en = f"{len(long)} so long that the middle square loses half of them"
            found.append(self._finding("look", en, f"{len(long)} 张过长，中间正方形会失去一半以上", long))
        return found

    def _captions(self) -> list[Finding]:
        seen, absent, found = self.survey.seen, self.survey.absent, list[Finding]()
        rows = [i for i, s in enumerate(seen) if not s.captioned]
        if rows and len(rows) < len(seen):
            en = f"{len(rows)} without a caption: --captioned leaves them out"
            found.append(
                self._finding("look", en, f"{len(rows)} 张没有说明文字：--captioned 可将其剔除", rows)
            )
        if absent:
            n = len(absent)
            text = Text(f"{n} captions for pictures that are not there", f"{n} 条说明文字所指的图片不存在")
            found.append(Finding("look", text, tuple(((-1, name),) for name in absent)))
        return found

    def _leaks(self) -> list[Finding]:
        seen = self.survey.seen
        near = {i for group in self.near for i in group}
        groups = [*self.near, *([i] for i in range(len(seen)) if i not in near)]
        leaks = [g for g in groups if len(frozenset[str]().union(*(seen[i].parts for i in g))) > 1]
        shown = tuple(tuple((i, seen[i].name) for i in g) for g in leaks)
        if not shown:
            return []
        text = Text(
            f"{len(shown)} held-out pictures are in the training part too: held out, not trained on",
            f"{len(shown)} 张留出图片也出现在训练部分：已留出，不用于训练",
        )
        return [Finding("look", text, shown)]

    def _conflicts(self) -> list[Finding]:
        seen = self.survey.seen
        groups = [g for g in self.near if len({seen[i].label for i in g}) > 1]
        if not groups:
            return []
        text = Text(
            f"{len(groups)} groups of one picture under different classes", f"{len(groups)} 组同图不同类"
        )
        return [Finding("look", text, tuple(tuple((i, f"{seen[i].label}") for i in g) for g in groups))]

    def _classes(self) -> list[Finding]:
        seen = self.survey.seen
        labels = Counter(s.label for s in seen)
        without = labels.pop(None, 0)
        if not labels:
            return []
        if without:
            rows = [i for i, s in enumerate(seen) if s.label is None]
            en = f"{without} outside of the class folders: the set has no labels until they are sorted in"
            return [
                self._finding("look", en, f"{without} 张不在类别文件夹中：归类之前整个数据没有标签", rows)
            ]
        (most, n), (least, m) = labels.most_common()[0], labels.most_common()[-1]
        if n >= SKEWED * m or m < FEW <= n:
            text = Text(
                f"classes are uneven: {n} of {most}, {m} of {least}",
                f"类别不均：{most} {n} 张，{least} {m} 张",
            )
            return [Finding("look", text)]
        return []

    def _finding(self, kind: str, en: str, zh: str, rows: list[int]) -> Finding:
        return Finding(kind, Text(en, zh), tuple(((i, self.survey.seen[i].name),) for i in rows))

    def page(self, lang: str) -> str:
        """The report as one page of HTML, with thumbnails of what is to be looked at."""
        heads = {
            "look": Text("To look at", "请查看"),
            "left out": Text("Left out", "剔除"),
            "fixed": Text("Fixed", "已修正"),
        }
        parts, findings = [table(self.facts())], self.findings()
        for kind, head in heads.items():
            of_kind = [f for f in findings if f.kind == kind]
            if of_kind:
                parts.append(f"<h2>{escape(head.in_(lang))}</h2>")
                parts += [self._section(f, lang) for f in of_kind]
        if not findings:
            parts.append(f"<p>{escape(Text('Nothing to complain of.', '没有发现问题。').in_(lang))}</p>")
        return page(self.survey.name, "\n".join(parts), lang)

    def _section(self, finding: Finding, lang: str) -> str:
        shown, figures, names = 0, [], []
        for k, group in enumerate(finding.groups):
            places = [i for i, _ in group if i >= 0]
            pictures = finding.looks[k][None] if finding.looks else self.survey.pictures[places]
            caption = " · ".join(name for _, name in group)
            if len(pictures) and shown < THUMBNAILS:
                shown += len(pictures)
                figures.append(figure(grid(pictures, len(pictures)), caption))
            elif shown + len(names) < 5 * THUMBNAILS:
                names.append(caption)
        more = len(finding.groups) - len(figures) - len(names)
        names += [Text(f"and {more} more", f"以及另外 {more} 项").in_(lang)] if more else []
        listed = "".join(f"<li>{escape(name)}</li>" for name in names)
        return f'<h3>{escape(finding.text.in_(lang))}</h3><div class="row small">{"".join(figures)}</div>' + (
            f"<ul>{listed}</ul>" if listed else ""
        )


def _sizes(sides: list[tuple[int, int]]) -> str:
    common = Counter(sides).most_common(3)
    shown = ", ".join(f"{w} x {h} ({n})" for (w, h), n in common)
    if len(set(sides)) <= 3:
        return shown
    shorter = [min(s) for s in sides]
    return f"{shown} …; {len(set(sides))}, {min(shorter)}-{max(max(s) for s in sides)} px"
