"""`luoxia verify`: what files say of their origin, and whether it holds."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from luoxia.cli.history import marked, printable
from luoxia.cli.words import print_table, say, tell
from luoxia.core.errors import UserError
from luoxia.core.licences import each_once

if TYPE_CHECKING:
    from luoxia.models.tokenizer import Tokenizer
    from luoxia.provenance.verify import Verdict
    from luoxia.workspace.history import Workspace

SIGNS = ("✓", "✗", "–")


def verify(
    paths: Annotated[
        list[Path],
        Argument(
            metavar="FILE...",
            help=say("Files, or folders with --recursive.", "文件；加 --recursive 可给文件夹。"),
        ),
    ],
    recursive: Annotated[
        bool,
        Option(
            "--recursive",
            "-r",
            help=say("Look into folders, all the way down.", "包括文件夹及其所有子文件夹。"),
        ),
    ] = False,
    as_json: Annotated[
        bool, Option("--json", help=say("As JSON, a line for each file.", "输出 JSON，每个文件一行。"))
    ] = False,
) -> int:
    from luoxia.provenance.verify import FAULTY, HOLDS, NOTHING

    files = list(_files(paths, recursive))
    outcomes = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, found in zip(files, pool.map(_verdict, files), strict=True):
            outcomes.append(NOTHING if isinstance(found, UserError) else found.outcome)
            if as_json:
                unread = {"path": str(path), "outcome": NOTHING, "error": str(found)}
                told = unread if isinstance(found, UserError) else found.to_json()
                print(json.dumps(told, ensure_ascii=False), flush=True)
            elif isinstance(found, UserError):
                tell(found.text.en, found.text.zh)
            elif len(files) == 1:
                _print(found)
            else:
                print(_line(found), flush=True)
    if len(files) > 1 and not as_json:
        counts = [outcomes.count(kind) for kind in (HOLDS, FAULTY, NOTHING)]
        tell(
            f"{len(files)} files: {counts[0]} hold, {counts[1]} do not, {counts[2]} say nothing",
            f"共 {len(files)} 个文件：{counts[0]} 个有效，{counts[1]} 个无效，{counts[2]} 个未声明来源",
        )
    return FAULTY if FAULTY in outcomes else max(outcomes)


def _files(paths: list[Path], recursive: bool) -> Iterator[Path]:
    """Regular files alone: a pipe or a device would never end."""
    for path in paths:
        if not path.is_dir():
            if path.exists() and not stat.S_ISREG(path.stat().st_mode):
                raise UserError(f"{path} is no file", f"{path} 不是文件")
            yield path
        elif not recursive:
            raise UserError(
                f"{path} is a folder; look into it with --recursive", f"{path} 是文件夹；请加 --recursive"
            )
        else:
            found = sorted(p for p in path.rglob("*") if p.is_file() and not p.is_symlink())
            if not found:
                raise UserError(f"{path} has no files in it", f"{path} 中没有文件")
            yield from found


def _verdict(path: Path) -> Verdict | UserError:
    from luoxia.provenance.verify import verify as verified

    try:
        return verified(path, models=_models)
    except UserError as error:
        return error


def _models(creation: str) -> Mapping[str, Tokenizer | UserError]:
    """The vocabularies that are here, and that of the model by which the creation was made, where there is a record of it."""
    from luoxia.weights import vocabularies
    from luoxia.workspace.history import Workspace

    named: list[str] = []
    if creation:
        with Workspace() as workspace:
            made = workspace.find(creation).made_from if workspace.is_recorded(creation) else None
        told = made.parameters.get("model") if made else None
        named = [told] if isinstance(told, str) else []
    return vocabularies.here(named)


def _line(found: Verdict) -> str:
    what = str(found.faults[0]) if found.faults else found.creation
    return f"{SIGNS[found.outcome]} {found.path}  {what}".rstrip()


def _print(found: Verdict) -> None:
    from luoxia.provenance.verify import FAULTY, HOLDS
    from luoxia.workspace.history import Workspace
    from luoxia.workspace.takedown import marks

    with Workspace() as workspace:
        rows = _rows(found, workspace)
        taken_down = marks(workspace, [found.creation]).get(found.creation, [])
    print_table(rows)
    for mark in taken_down:
        print(
            "  "
            + say("a model of it learned from what was taken down since: ", "其模型曾学习此后下架的内容：")
            + marked(mark)
        )
    for fault in found.faults:
        print(f"{SIGNS[FAULTY]} {fault}")
    for remark in found.remarks:
        print(f"  {remark}")
    if found.outcome == HOLDS:
        print(say("✓ What it says holds.", "✓ 所声明的来源有效。"))
    elif found.outcome != FAULTY:
        print(say("– It says nothing of its origin.", "– 未声明来源。"))


def _rows(found: Verdict, workspace: Workspace) -> list[tuple[str, str]]:
    """What the file says of itself, and what is known of that here."""
    none = say("none", "无")
    rows = [(say("label", "标识"), none)]
    if found.label:
        from luoxia.provenance.label import MEANINGS

        rows = [
            (say("label", "标识"), f"{MEANINGS[found.label.label]} ({', '.join(found.where)})"),
            (say("producer", "服务提供者"), found.label.content_producer),
            (say("creation", "作品"), _recorded(workspace, found.label.produce_id)),
        ]
        if found.label.content_propagator != found.label.content_producer:
            rows.append((say("propagator", "传播者"), found.label.content_propagator))
    rows += _of_credential(found)
    if found.watermark:
        chance = f"{found.watermark.false_positive:.0e}"
        rows.append(
            (
                say("unseen mark", "隐形水印"),
                f"{_marked(workspace, found.watermark.number)} "
                + say(f"(by chance: {chance})", f"（偶然出现的概率：{chance}）"),
            )
        )
    else:
        rows.append((say("unseen mark", "隐形水印"), none))
    rows.append((say("mark in the words", "用词中的标记"), none))
    if t := found.text_mark:
        chance = f"{t.false_positive:.0e}"
        rows[-1] = (
            rows[-1][0],
            say(
                f"{t.model}, by {t.tokens} tokens (by chance: {chance})",
                f"{t.model}，依据 {t.tokens} 个词元（偶然出现的概率：{chance}）",
            ),
        )
    return rows


def _of_credential(found: Verdict) -> list[tuple[str, str]]:
    signed = found.credential
    if signed is None:
        return [(say("credential", "凭证"), say("none", "无"))]
    whose = {
        "own": say("a certificate of this installation", "本机的证书"),
        "trusted": say("of an authority that you trust", "由您信任的机构签发"),
        "": say("a certificate that nobody here knows", "来源未知的证书"),
    }[signed.known]
    rows = [
        (say("credential", "凭证"), say("holds", "有效") if signed.holds else say("does not hold", "无效")),
        (say("signed with", "签名者"), f"{signed.signer} ({whose})"),
    ]
    models = signed.creation.get("models")
    if isinstance(models, list) and models:
        named = [m for m in models if isinstance(m, dict)]
        told = ", ".join(f"{m.get('id')} ({str(m.get('sha256'))[:12]})" for m in named)
        rows.append((say("made with", "所用模型"), told))
    licences = signed.creation.get("trainingDataLicences")
    if isinstance(licences, list) and licences:
        rows.append((say("licences", "许可"), "; ".join(each_once(map(str, licences)))))
    near = signed.creation.get("memorisation")
    copies = near.get("near") if isinstance(near, dict) else None
    for one in copies if isinstance(copies, list) else ():
        if isinstance(one, dict):
            whose = f"{one.get('what')}: {one.get('data')} {one.get('item')}, {one.get('source')}"
            rows.append((say("comes near", "相近"), printable(whose)))
    if signed.parents:
        rows.append((say("made from", "源自"), ", ".join(signed.parents)))
    return rows


def _recorded(workspace: Workspace, id: str) -> str:
    """The id, and whether there is a record of it here."""
    known = workspace.is_recorded(id)
    return f"{id} " + (
        say("(recorded here)", "（本机有记录）") if known else say("(no record here)", "（本机无记录）")
    )


def _marked(workspace: Workspace, number: int) -> str:
    """The creation that carries ``number``, where it was made here; else the number."""
    found = workspace.by_number(number)
    return found.id if found else f"{number:012x}"
