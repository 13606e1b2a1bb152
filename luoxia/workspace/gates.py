"""The safety gate: prompts before work is spent on them, prompts and pictures before they leave.

What is judged at least so likely to be of a class as the policy's threshold says is refused, with the class and the score
in a line, and the refusal is recorded. Nothing is changed: a prompt that passes is the one that was written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from luoxia.core.errors import RefusedError, UserError
from luoxia.core.language import Text
from luoxia.provenance import policy
from luoxia.provenance.policy import Policy
from luoxia.workspace.creation import LARGEST
from luoxia.workspace.encoding import Content, Film, Pixels
from luoxia.workspace.history import Workspace
from luoxia.workspace.made_from import MadeFrom
from luoxia.workspace.sheets import cells

if TYPE_CHECKING:
    from luoxia.provenance.picture_judge import PictureJudge

REFUSED = "refused"  # what the chain calls these records
KEPT = 500  # characters of a refused prompt in its record
CELLS = 16  # of a sheet's pictures that are judged each for itself
NUDITY, COPIES = "nudity", "copies"

NAMES = {
    NUDITY: Text("pornography", "色情画面"),
    "sexual": Text("explicit sex", "露骨性内容"),
    "minors": Text("sexual content about minors", "涉未成年人的性内容"),
    "gore": Text("graphic violence", "血腥暴力"),
    "hate": Text("hatred of a group", "仇恨群体"),
    "self-harm": Text("self-harm", "自残自杀"),
    "weapons": Text("making weapons or drugs, or harming people", "制造武器毒品或伤人"),
    "deception": Text("deception in the name of others", "假冒他人行骗"),
}
Score = list[float | None]  # and the threshold, None where the policy asks for none


@dataclass(frozen=True)
class Refusal:
    """A line of what was refused. ``what`` is the prompt's beginning, or the kind of content; a copy of a training item
    has the class :data:`COPIES` and no score."""

    at: str
    command: str
    name: str
    score: float | None
    threshold: float | None
    what: str


def admit(*prompts: str, command: str = "") -> None:
    """Judge prompts before anything is made of them; empty ones pass.

    Raises :class:`RefusedError` for one that is refused, which is recorded, and :class:`UserError` for one that is too
    long to be judged.
    """
    _admit(prompts, policy.load(), command, None)


class Gate:
    """Judges what is about to leave, and the prompts that it was made from, each for itself as :func:`admit` does; one that
    is refused is so at once.

    A picture is judged as a whole, a sheet of pictures by up to :data:`CELLS` of them besides, both while it is marked:
    nothing may be written before :meth:`judged` has answered. A film is judged as it is gone through, by one frame of
    each second: the frames of ``content`` raise where they are refused. Texts, drawings and documents are judged by
    their prompt alone.
    """

    def __init__(self, content: Content, made_from: MadeFrom, chosen: Policy, workspace: Workspace) -> None:
        self._made_from, self._chosen, self._workspace = made_from, chosen, workspace
        self._judged = _admit(made_from.prompts, chosen, made_from.command, workspace)
        self._coming: Future[list[float]] | None = None
        self.content = content
        if chosen.threshold(NUDITY) is None:
            return
        if isinstance(content, Film):
            self.content = content.watched(self._watch)
        elif isinstance(content, np.ndarray):
            self._coming = _pictures().judging([content, *chosen_cells(content, made_from.parameters)])

    def judged(self) -> dict[str, Score]:
        """What :attr:`Creation.judged` says; of a film once its frames have been gone through. Raises
        :class:`RefusedError` for a picture that is refused, which is recorded."""
        if self._coming is not None:
            self._decide(max(self._coming.result()))
        return self._judged

    def _watch(self, frame: Pixels) -> None:
        self._decide(max(_pictures().judge([frame])))

    def _decide(self, score: float) -> None:
        _decide({NUDITY: score}, self._chosen, self._made_from.command, self._made_from.kind, self._workspace)
        before = self._judged.get(NUDITY, [0.0])[0] or 0.0
        self._judged |= _told({NUDITY: max(before, score)}, self._chosen)


def _pictures() -> PictureJudge:
    from luoxia.provenance import picture_judge  # brings torch with it

    return picture_judge.opened()


def _admit(
    prompts: Iterable[str], chosen: Policy, command: str, workspace: Workspace | None
) -> dict[str, Score]:
    from luoxia.provenance import prompt_judge

    highest: dict[str, float] = {}
    for prompt in filter(str.strip, prompts):
        if len(prompt) > LARGEST:
            raise UserError(
                f"the prompt has {len(prompt):,} characters, and {LARGEST:,} can be judged; shorten it",
                f"提示有 {len(prompt):,} 个字符，最多可判别 {LARGEST:,} 个；请缩短",
            )
        scores = prompt_judge.opened().judge(prompt)
        begin = prompt[:KEPT].encode("utf-8", "replace").decode()
        _decide(scores, chosen, command, begin, workspace)
        highest = {name: max(highest.get(name, 0.0), score) for name, score in scores.items()}
    return _told(highest, chosen)


def _told(scores: Mapping[str, float], chosen: Policy) -> dict[str, Score]:
    return {name: [round(score, 4), chosen.threshold(name)] for name, score in scores.items()}


def _decide(
    scores: Mapping[str, float], chosen: Policy, command: str, what: str, workspace: Workspace | None
) -> None:
    over = [
        (score - threshold, name)
        for name, score in scores.items()
        if (threshold := chosen.threshold(name)) is not None and score >= threshold
    ]
    if not over:
        return
    _, name = max(over)
    score, threshold = round(scores[name], 4), chosen.threshold(name)
    facts = {"command": command, "score": score, "threshold": threshold, "what": what}
    with nullcontext(workspace) if workspace else Workspace() as place:
        place.append(REFUSED, name, facts)
    said, way = NAMES[name], f"luoxia policy set {chosen.name} --gate {name}=..."
    subject = Text("the picture", "图片") if name == NUDITY else Text("the prompt", "提示")
    raise RefusedError(
        f"{subject.en} is refused: {said.en} ({name}, score {score:.2f}, the policy allows less than {threshold:g}); "
        f"if that is a mistake, say it otherwise, or move the threshold: {way}",
        f"{subject.zh}被拒绝：{said.zh}（{name}，得分 {score:.2f}，策略上限 {threshold:g}）；"
        f"如属误判，请换一种说法，或调整阈值：{way}",
    )


def chosen_cells(sheet: Pixels, parameters: Mapping[str, Any]) -> list[Pixels]:
    """Up to :data:`CELLS` of the pictures on a sheet, evenly chosen; none of a single picture."""
    found = cells(sheet, parameters)
    return found[:: -(-len(found) // CELLS)] if len(found) > 1 else []


def refusals(workspace: Workspace, limit: int = 20) -> list[Refusal]:
    """The newest refusals first, those of copies of training items among them."""
    return [_refusal(told) for told in workspace.records(REFUSED, limit)]


def _refusal(told: Mapping[str, Any]) -> Refusal:
    facts = told["facts"]
    if "score" not in facts:  # the gate that looks for copies keeps what it found
        what = "; ".join(f"{one['data']} {one['item']}" for one in facts.get("near", ()))
        return Refusal(told["at"], told["subject"], COPIES, None, None, what)
    return Refusal(
        told["at"], facts["command"], told["subject"], facts["score"], facts["threshold"], facts["what"]
    )
