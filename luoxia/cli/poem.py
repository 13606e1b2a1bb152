"""`luoxia poem`: classical Chinese poems in their forms, and whether a poem keeps to its own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option
from typer.core import TyperGroup

from luoxia.cli import options
from luoxia.cli.door import admit, check_text, leave_later, leave_text
from luoxia.cli.words import print_table, say, tell, tenths
from luoxia.core.errors import UserError

if TYPE_CHECKING:
    from luoxia.data.verse.originals import Original
    from luoxia.data.verse.verdict import Mark, Verdict
    from luoxia.generate.verse_order import Verse

MODEL, NEW, FAULTY = "verse-zh", "new", 1


class WishesFirst(TyperGroup):
    """``luoxia poem --theme 秋`` is ``luoxia poem new --theme 秋``; the names of commands come first."""

    def parse_args(self, ctx, args):
        if args and args[0] not in (*self.commands, "--help"):
            args = [NEW, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(rich_markup_mode=None, cls=WishesFirst, no_args_is_help=True)

FormName = Annotated[
    str, Option("--form", metavar="FORM", help=say("五绝, 七绝, 五律 or 七律.", "五绝、七绝、五律或七律。"))
]
Rhyme = Annotated[
    str,
    Option(
        "--rhyme",
        metavar="BOOK",
        help=say(
            "平水韵, as poets of the Tang rhymed, or 新韵, by the sounds of today; tones go by it too.",
            "平水韵（唐人用韵）或新韵（今音）；平仄亦依此。",
        ),
    ),
]
Tones = Annotated[
    bool,
    Option("--tones/--free-tones", help=say("Keep the form's pattern of tones.", "遵守平仄格律。")),
]
Acrostic = Annotated[
    str,
    Option(
        "--acrostic",
        metavar="CHARACTERS",
        help=say("What the lines begin with.", "藏头：各句首字。"),
    ),
]


@app.command(NEW, help=say("Write poems; `new` may be left out.", "写诗；new 可省略。"))
def new(
    form: FormName = "七绝",
    theme: Annotated[
        str, Option("--theme", metavar="TEXT", help=say("Any words, in Chinese.", "任意词句。"))
    ] = "",
    rhyme: Rhyme = "平水韵",
    rhyme_class: Annotated[
        str,
        Option(
            metavar="CLASS",
            help=say(
                "One rhyme of the book, as in 阳, or a character in it.", "指定韵部，如 阳，或其中任一字。"
            ),
        ),
    ] = "",
    tones: Tones = True,
    acrostic: Acrostic = "",
    author: Annotated[
        str,
        Option(metavar="NAME", help=say("In whose manner, as in 李商隐.", "仿谁的风格，如 李商隐。")),
    ] = "",
    n: Annotated[int, Option("-n", metavar="N", help=say("Poems to write.", "写几首。"))] = 1,
    candidates: Annotated[
        int,
        Option(
            metavar="N", help=say("Drafts of each, of which the best is kept.", "每首的草稿数，取其最佳。")
        ),
    ] = 16,
    temperature: Annotated[
        float, Option(metavar="X", help=say("Below 1, more of the usual.", "低于 1 时更常规。"))
    ] = 0.8,
    guidance: Annotated[
        float,
        Option(
            metavar="X",
            help=say("How much more the theme counts than its due.", "主题的影响力，1 为本来的分量。"),
        ),
    ] = 1.5,
    seed: Annotated[
        int | None,
        Option(
            metavar="N",
            help=say(
                "The same seed writes the same; left out, one is drawn and told.",
                "相同的种子写出相同的诗；省略时随机抽取并告知。",
            ),
        ),
    ] = None,
    marks: Annotated[
        bool, Option("--marks", help=say("The tones beside each line.", "每句旁标平仄。"))
    ] = False,
    original: Annotated[
        bool,
        Option(
            "--original/--no-original",
            help=say("Show the old poem that is nearest.", "显示最相近的古诗。"),
        ),
    ] = True,
    model: Annotated[
        str, Option(metavar="MODEL", help=say("A model's name or a run's folder.", "模型名称或训练文件夹。"))
    ] = MODEL,
    out: options.TextFile = None,
    later: options.Later = False,
    device: options.Device = None,
    threads: options.Threads = None,
) -> None:
    from luoxia.core import seeds
    from luoxia.workspace import makers
    from luoxia.workspace.asked import Poems

    admit(theme, acrostic, command="poem")
    asked = Poems(
        model,
        device,
        threads,
        form=form,
        rhyme=rhyme,
        rhyme_class=rhyme_class,
        tones=tones,
        acrostic=acrostic,
        author=author,
        n=n,
        candidates=candidates,
        temperature=temperature,
        guidance=guidance,
    )
    check_text(out, later=later)
    made_from = makers.told("text", "poem", model, asked, prompt=theme, seed=seeds.checked(seed))
    if out is not None and later:
        leave_later(made_from, out)
        return
    poems = makers.verses(made_from, nearest=original)
    leave_text(makers.poems(poems), made_from, out)  # first: a policy may keep copies from leaving
    if out is None:
        print("\n\n".join(_shown(poem, marks=marks) for poem in poems))
    if poems[0].unread:
        tell(
            f"Of the theme, {poems[0].unread} was not read: no poem has it, or there is no room.",
            f"主题中的“{poems[0].unread}”未被采用：古诗中没有，或超出字数。",
        )
    if not poems[0].checked:
        tell(
            f"{model} has no index of old lines: whether a line is copied was not checked.",
            f"{model} 没有古诗句索引：未检查是否抄袭。",
        )
    tell(f"Seed {poems[0].seed}.", f"种子 {poems[0].seed}。")


@app.command(help=say("Tell whether a poem keeps to its form, and where not.", "检查一首诗的格律。"))
def check(
    text: Annotated[
        str,
        Argument(
            metavar="TEXT",
            help=say(
                "A poem, a file that holds one, or - for standard input.", "诗、诗的文件，或 - 表示标准输入。"
            ),
        ),
    ],
    form: Annotated[
        str, Option("--form", metavar="FORM", help=say("What it is to be.", "应为何种诗体。"))
    ] = "",
    rhyme: Rhyme = "平水韵",
    tones: Tones = True,
    acrostic: Acrostic = "",
) -> int:
    from luoxia.data.verse import forms, originals, sounds
    from luoxia.data.verse.lexicon import simplified
    from luoxia.data.verse.verdict import judge, lines_of

    lines = lines_of(_read(text))
    wanted = forms.form(form) if form else None
    verdict = judge(lines, sounds.book(rhyme), form=wanted, tones=tones, acrostic=acrostic)
    _tell(verdict)
    known = originals.here()
    if known and (original := known.nearest(simplified("".join(lines)))):
        print(_of(original))
    return FAULTY if verdict.faults else 0


def _read(text: str) -> str:
    if text == "-":
        return sys.stdin.read()
    try:
        path = Path(text)
        if not path.is_file():
            return text
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{text} is not UTF-8 text", f"{text} 不是 UTF-8 文本") from error
    except (OSError, ValueError):  # too long for a path, or no path at all
        return text


def _shown(poem: Verse, *, marks: bool) -> str:
    verdict = poem.verdict
    facts = [poem.order.shape.id, verdict.rhyme or ""]
    if poem.order.tones and verdict.pattern:
        facts.append(str(verdict.pattern.title))
    rows = [f"{poem.title}  [{say(', ', '，').join(filter(None, facts))}]"]
    couplets = poem.text.splitlines()
    for i, couplet in enumerate(couplets):
        beside = "  " + "  ".join(_tones(line) for line in verdict.lines[2 * i : 2 * i + 2]) if marks else ""
        rows.append(couplet + beside)
    if poem.original:
        rows.append(_of(poem.original))
    return "\n".join(rows)


def _of(original: Original) -> str:
    lines = "，".join(original.lines[:2])
    title = original.title or say("untitled", "无题")
    return say(
        f"Nearest old poem: {original.author}, {title}: {lines} ... ({original.run} in common)",
        f"最相近的古诗：{original.author}《{title}》：{lines}……（同有“{original.run}”）",
    )


def _tones(line: tuple[Mark, ...]) -> str:
    """平 and 仄, 中 where either is read; in brackets where another one belongs there."""
    return "".join(f"[{mark.tone}]" if mark.wrong else mark.tone for mark in line)


def _tell(verdict: Verdict) -> None:
    rows = [
        (
            str(number),
            "".join(mark.character for mark in line),
            _tones(line),
            "".join(mark.wanted for mark in line),
            say("rhymes", "韵") if line and line[-1].rhymes else "",
        )
        for number, line in enumerate(verdict.lines, start=1)
    ]
    head = ("", say("line", "诗句"), say("tones", "平仄"), say("pattern", "格律"), say("rhyme", "押韵"))
    print_table([head, *rows])
    kind = str(verdict.form.title) if verdict.form else say("no known form", "不合近体诗体")
    pattern = f"{say('; ', '；')}{verdict.pattern.title}" if verdict.pattern else ""
    print(
        f"{kind}{pattern}{say('; ', '；')}{verdict.book.title}: {verdict.rhyme or say('no rhyme', '不押韵')}"
    )
    for fault in verdict.faults:
        print(f"✗ {fault.text}")
    for remark in verdict.remarks:
        print(f"· {remark}")
    if not verdict.faults:
        print(say("✓ It keeps to its form.", "✓ 合律。"))


@app.command(help=say("Measure what a model of verse has come to.", "评测诗歌模型。"))
def measure(
    model: Annotated[
        str,
        Argument(metavar="MODEL", help=say("A model's name or a run's folder.", "模型名称或训练文件夹。")),
    ] = MODEL,
    count: Annotated[
        int,
        Option("--count", metavar="N", min=1, max=1000, help=say("Poems of each form.", "每种诗体的首数。")),
    ] = 64,
    each: Annotated[
        int,
        Option("--each", metavar="N", min=1, max=32, help=say("Poems for each theme.", "每个主题的首数。")),
    ] = 4,
    seed: Annotated[int, Option(metavar="N", help=say("Of what is written.", "写作用的种子。"))] = 0,
    out: Annotated[
        Path | None,
        Option("-o", "--out", metavar="FILE", help=say("The results as JSON.", "JSON 结果文件。")),
    ] = None,
    device: options.Device = None,
    threads: options.Threads = None,
) -> None:
    import dataclasses
    import json

    from luoxia.core.folder import write_atomically
    from luoxia.data.verse import poems as poems_
    from luoxia.data.verse.line_index import LineIndex
    from luoxia.generate.verse import load_verse
    from luoxia.recipes import verse_evaluation

    loaded = load_verse(model, device=device, threads=threads)
    known = poems_.get()
    lines = loaded.lines or LineIndex.of(known.lines)
    loaded.lines = lines
    found = verse_evaluation.validity(loaded, lines, count, seed, tenths())
    themes = verse_evaluation.unseen(known)
    vectors = verse_evaluation.judge_vectors(loaded, known.others)
    heard = verse_evaluation.adherence(loaded, themes, vectors, each, seed, tenths())
    rates = [
        (
            row.form,
            say(f"held to {row.book}", f"按{row.book}约束") if row.held else say("free", "自由"),
            *(f"{x:.1%}" for x in (row.shape, row.rhyme, row.tones, row.fresh, row.whole)),
        )
        for row in found
    ]
    names = (
        (
            say("form", "诗体"),
            "",
            say("shape", "句式"),
            say("rhyme", "押韵"),
            say("tones", "平仄"),
            say("no copy", "不抄袭"),
            say("all", "全部"),
        ),
    )
    print_table([*names, *rates])
    print(say(f"{len(themes)} themes that no poem had", f"{len(themes)} 个古诗中没有的主题"))
    head = (say("asked", "要求"), say("present", "字面"), say("similarity", "相似"), say("found", "辨认"))
    print_table(
        [
            head,
            *(
                (str(title), f"{row.present:.1%}", f"{row.similarity:.3f}", f"{row.found:.1%}")
                for (title, _), row in zip(verse_evaluation.WAYS, heard, strict=True)
            ),
        ]
    )
    if out is not None:
        told = {"model": loaded.id, "seed": seed, "themes": themes}
        told |= {
            "validity": [dataclasses.asdict(r) for r in found],
            "adherence": [dataclasses.asdict(r) for r in heard],
        }
        with write_atomically(out) as file:
            file.write(json.dumps(told, ensure_ascii=False, indent=1).encode())
        tell(f"The results are in {out}", f"结果已写入 {out}")
