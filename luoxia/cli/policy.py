"""`luoxia policy`: which marks leave with what is made here, and what does not leave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from typer import Argument, Context, Option, Typer

from luoxia.cli.words import print_table, say, tell
from luoxia.core.errors import UserError
from luoxia.provenance import policy as policies
from luoxia.provenance.policy import Policy

app = Typer(rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def usually(context: Context) -> None:
    if context.invoked_subcommand is None:
        show()


@app.command(help=say("Show the policy and what it asks for.", "显示当前策略及其要求。"))
def show() -> None:
    _print(policies.load())


@app.command(name="set", help=say("Choose the policy.", "选择策略。"))
def choose(
    name: Annotated[
        str,
        Argument(
            metavar="POLICY",
            help=say(
                "cn (GB 45438-2025: marks on everything), eu (AI Act, Article 50), or off.",
                "cn（GB 45438-2025：一切内容均标识）、eu（欧盟《人工智能法》第 50 条）或 off。",
            ),
        ),
    ],
    producer: Annotated[
        str | None,
        Option(
            metavar="CODE",
            help=say(
                "Your code as a provider, which labels name; kept until set anew.",
                "您作为服务提供者的编码，写入标识；设置后一直保留。",
            ),
        ),
    ] = None,
    reason: Annotated[
        str,
        Option(
            metavar="TEXT",
            help=say(
                "Why nothing is to be marked; kept with every creation.",
                "不添加标识的理由，随每件作品保存。",
            ),
        ),
    ] = "",
    copies: Annotated[
        str | None,
        Option(
            metavar="WHAT",
            help=say(
                "flag or refuse what comes near a training item; kept until set anew.",
                "与训练数据相近的内容：flag（注明）或 refuse（拒绝）；设置后一直保留。",
            ),
        ),
    ] = None,
    gate: Annotated[
        list[str] | None,
        Option(
            metavar="CLASS=X",
            help=say(
                "Refuse content of a class from this score on, 0 to 1; or off, or usual. Kept until set anew.",
                "该类内容得分达到此值（0 到 1）即拒绝；也可为 off 或 usual。设置后一直保留。",
            ),
        ),
    ] = None,
) -> None:
    before = _before()
    chosen = Policy(
        name,
        before.producer if producer is None else producer,
        reason or (before.reason if name == before.name else ""),
        before.copies if copies is None else copies,
        _gates(before.gates, gate or []),
    )
    policies.save(chosen)
    _print(chosen)


def _before() -> Policy:
    """The policy that was set before; a file that is none any more is about to be replaced."""
    try:
        return policies.load()
    except UserError as error:
        tell(f"{error.text.en}; its settings are not kept", f"{error.text.zh}；其设置未保留")
        return Policy()


def _gates(before: Mapping[str, float | None], given: list[str]) -> dict[str, float | None]:
    gates = dict(before)
    for one in given:
        name, _, value = one.partition("=")
        gates.pop(name, None)
        if value == "usual":
            value = str(policies.THRESHOLDS.get(name, "usual"))
        try:
            gates[name] = None if value == "off" else float(value)
        except ValueError as error:
            raise UserError(
                f"--gate {one[:60]}: write CLASS=X with X between 0 and 1, off or usual, as in weapons=0.9",
                f"--gate {one[:60]}：请写作 类别=数值（0 到 1 之间、off 或 usual），如 weapons=0.9",
            ) from error
    return {name: value for name, value in gates.items() if value != policies.THRESHOLDS.get(name)}


def _print(policy: Policy) -> None:
    yes, no, lifelike = say("yes", "是"), say("no", "否"), say("if lifelike", "可能被当真时")
    seen = yes if policy.shows("picture") else lifelike if policy.shows("picture", lifelike=True) else no
    rows = [
        (say("policy", "策略"), policy.name),
        (say("mark for people", "显式标识"), f"{seen} {policy.mark}".strip()),
        (
            say("label, watermark, credential in the file", "文件内的标识、水印与凭证"),
            yes if policy.embeds else no,
        ),
        (say("mark in the words of models", "模型用词中的标记"), yes if policy.embeds else no),
        (say("copies of training items", "与训练数据相近的内容"), policy.copies),
        (say("producer code", "服务提供者编码"), policy.producer or policies.UNSET),
    ]
    off = say("off", "关闭")
    shown = ((name, policy.threshold(name)) for name in policies.THRESHOLDS)
    gates = ", ".join(f"{name} {off if value is None else f'{value:g}'}" for name, value in shown)
    rows.append((say("refused from these scores on", "达到此分数即拒绝"), gates))
    if policy.reason:
        rows.append((say("reason", "理由"), policy.reason))
    print_table(rows)
    if policy.warning:
        tell(policy.warning.en, policy.warning.zh)
