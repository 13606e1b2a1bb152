"""Fine-tunings that the studio began: planned, started, stopped, gone on with, looked at, taken away. One at a time."""

from __future__ import annotations

import json
import math
import shutil
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from luoxia.core.errors import MalformedFileError, ModelNotHereError, UserError
from luoxia.core.folder import home
from luoxia.server.errors import BusyError, NotFoundError
from luoxia.server.finetune import process, uploads
from luoxia.server.finetune.asks import (
    BeforeAfter,
    Plan,
    PlanAsk,
    Point,
    StartAsk,
    State,
    TuneCurves,
    TuneRun,
)
from luoxia.server.schemas import Bilingual
from luoxia.weights import catalogue, own_texts

if TYPE_CHECKING:
    from luoxia.data.lessons import LessonRows

MOST_POINTS = 1_000  # of a curve that goes over the wire


def place() -> Path:
    return home() / "finetune" / "runs"


class Trainings:
    """May be used from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._planned: tuple[tuple[str, str], LessonRows] | None = None  # examples as tokens of a base

    def plan(self, ask: PlanAsk) -> Plan:
        """What a training would be, without one: tokens, steps, and how long it may be expected to take."""
        from luoxia.recipes.finetune_dial import FinetuneSettings, completed

        _here(ask.base)
        rows = self._opened(ask)
        settings = FinetuneSettings(base=ask.base, rank=ask.rank, steps=ask.steps or 0)
        settings, trained = completed(settings, rows), len(rows.train)
        speed = self._speed_of(ask.base)
        seen = settings.steps * settings.batch_size * rows.unit.each
        return Plan(
            steps=settings.steps,
            passes=settings.steps * settings.batch_size / trained,
            trained=rows.examples,
            held_out=len(rows.asked),
            tokens=rows.tokens(rows.train),
            notes=[Bilingual(en=note.en, zh=note.zh) for note in rows.notes],
            seconds=seen / speed if speed else None,
        )

    def start(self, ask: StartAsk, language: str) -> TuneRun:
        """Begin in a process of its own. Everything that can be refused at once is."""
        _here(ask.base)
        catalogue.new_place(ask.name)
        file, note = uploads.find(ask.examples), _note(ask.name)
        with self._lock:
            self._check_free()
            if note.exists() or (place() / ask.name).exists():
                raise UserError(
                    f"there is a fine-tuning {ask.name} already: go on with it, or take it away first",
                    f"已有名为 {ask.name} 的微调：请继续它，或先删除",
                )
            asked = {**ask.model_dump(), "begun": time.time(), "file": file.name}
            arguments = ["finetune", ask.base, "--data", str(file), "--out", ask.name]
            arguments += ["--run", str(place() / ask.name), "--lora", str(ask.rank), "--seed", str(ask.seed)]
            arguments += ["--steps", str(ask.steps)] if ask.steps else []
            arguments += [f"--licence={ask.licence}"] if ask.licence.strip() else []
            process.begin(note, arguments, asked, language)
        return self.one(ask.name)

    def go_on(self, name: str, language: str) -> TuneRun:
        """Where it was stopped."""
        with self._lock:
            told = self._told(name)
            self._check_free()
            if self._state(name, told) != "stopped":
                raise UserError(f"{name} has nothing to go on from", f"{name} 没有可继续的检查点")
            asked = {key: value for key, value in told.items() if key not in ("pid", "mark")}
            process.begin(_note(name), ["finetune", "--resume", str(place() / name)], asked, language)
        return self.one(name)

    def stop(self, name: str) -> TuneRun:
        """Ask it to save and end, which takes until its step is done."""
        told = self._told(name)
        if process.runs(told):
            process.stop(told)
        return self.one(name)

    def remove(self, name: str) -> None:
        """The run, and what came of it."""
        with self._lock:
            told = self._told(name)
            if process.runs(told):
                raise UserError(f"{name} is still being trained: stop it first", f"{name} 仍在训练：请先停止")
            if own_texts.find(name) is not None:
                own_texts.remove(name)
            shutil.rmtree(place() / name, ignore_errors=True)
            for file in (_note(name), _note(name).with_suffix(".log")):
                file.unlink(missing_ok=True)

    def everything(self) -> list[TuneRun]:
        """The newest first."""
        found = []
        for name in self.names():
            try:
                found.append(self.one(name))
            except MalformedFileError:  # somebody wrote into our folder
                continue
        return sorted(found, key=lambda run: -run.begun)

    def names(self) -> list[str]:
        return [note.stem for note in place().glob("*.json") if catalogue.is_name(note.stem)]

    def needed(self) -> set[str]:
        """Ids of the examples that runs need to go on."""
        found = set()
        for name in self.names():
            try:
                found.add(str(process.read(_note(name)).get("examples", "")))
            except MalformedFileError:
                continue
        return found

    def one(self, name: str) -> TuneRun:
        return self._run(name, self._told(name), _rows(name))

    def _run(self, name: str, told: dict[str, Any], rows: list[dict[str, Any]]) -> TuneRun:
        recipe = _json(place() / name / "recipe.json")
        settings = recipe.get("settings", {})
        step = max((int(row["step"]) for row in rows), default=0)
        state, steps = self._state(name, told), int(settings.get("steps") or told.get("steps") or 0)
        return TuneRun(
            name=name,
            base=str(told.get("base", "")),
            state=state,
            begun=float(told.get("begun", 0)),
            examples=str(told.get("file", "")),
            rank=int(told.get("rank", 0)),
            seed=int(told.get("seed", 0)),
            step=step,
            steps=steps,
            seconds_left=_left(recipe, rows, step, steps) if state == "running" else None,
            here=own_texts.find(name) is not None,
            said=process.said(_note(name)),
        )

    def curves(self, name: str) -> TuneCurves:
        """With its losses, and what it answered before and after where it is done."""
        told = self._told(name)
        rows, found = _rows(name), _json(place() / name / "evaluation.json")
        answers = found.get("tables", {}).get("answers_beside", []) if found else []
        return TuneCurves(
            **self._run(name, told, rows).model_dump(),
            loss=_points(rows, "nats_per_token"),
            held_out=_points(rows, "held_out_nats_per_token"),
            scores={k: float(v) for k, v in found.items() if isinstance(v, int | float) and math.isfinite(v)},
            answers=[BeforeAfter(**{k: str(row[k]) for k in BeforeAfter.model_fields}) for row in answers],
        )

    def _opened(self, ask: PlanAsk) -> LessonRows:
        from luoxia.recipes.finetune import open_pairs
        from luoxia.recipes.finetune_dial import FinetuneSettings

        key, planned = (ask.examples, ask.base), self._planned
        if planned is not None and planned[0] == key:
            return planned[1]
        file = uploads.find(ask.examples)
        try:
            _, rows = open_pairs(FinetuneSettings(base=ask.base), str(file), 1)
        except UserError as error:
            raise uploads.without_place(error, file) from error
        self._planned = key, rows
        return rows

    def _speed_of(self, base: str) -> float | None:
        """Tokens a second of the newest run of that base that got so far as to tell."""
        for run in self.everything():
            if run.base == base and (speed := _speed(_rows(run.name))):
                return speed
        return None

    def _told(self, name: str) -> dict[str, Any]:
        if not catalogue.is_name(name) or not _note(name).is_file():
            raise NotFoundError(f"there is no fine-tuning {name[:64]!r}", f"没有微调 {name[:64]!r}")
        return process.read(_note(name))

    def _state(self, name: str, told: dict[str, Any]) -> State:
        if process.runs(told):
            return "running"
        if (place() / name / "evaluation.json").is_file():
            return "done"
        return "stopped" if any((place() / name / "train_state").glob("*")) else "failed"

    def _check_free(self) -> None:
        for name in self.names():
            if process.runs(process.read(_note(name))):
                raise BusyError(
                    f"{name} is being trained; one at a time: stop it, or wait for its end",
                    f"正在训练 {name}；一次只能训练一个：请停止它，或等它结束",
                )


def _note(name: str) -> Path:
    return place() / f"{name}.json"


def _here(base: str) -> None:
    """Refuse what is no text model on this machine. Never a path: a name from the network opens no file."""
    if own_texts.whole(base) is not None:
        return
    entry = catalogue.find(base, "text")
    if not catalogue.is_here(entry):
        raise ModelNotHereError(
            f"{base} is not on this machine: get it with `luoxia models get {base}`",
            f"本机没有 {base}：请用 `luoxia models get {base}` 获取",
        )


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _rows(name: str) -> list[dict[str, Any]]:
    from luoxia.train.run import Metrics

    return Metrics(place() / name / "metrics.jsonl").read()


def _points(rows: Iterable[dict[str, Any]], key: str) -> list[Point]:
    """Evenly thinned where there are more than are worth drawing; the last one stays."""
    found = [Point(step=row["step"], loss=row[key]) for row in rows if key in row and math.isfinite(row[key])]
    every = math.ceil(len(found) / MOST_POINTS) or 1
    return found[len(found) % every :: every] if every > 1 else found


def _left(recipe: dict[str, Any], rows: list[dict[str, Any]], step: int, steps: int) -> float | None:
    each, speed = _tokens_a_step(recipe), _speed(rows)
    return (steps - step) * each / speed if each and speed else None


def _tokens_a_step(recipe: dict[str, Any]) -> float:
    data, settings = recipe.get("data", {}), recipe.get("settings", {})
    rows = data.get("rows") or 0
    return settings["batch_size"] * data["tokens"] / rows if rows else 0.0


def _speed(rows: list[dict[str, Any]]) -> float | None:
    """Tokens a second of the last reports, in the middle."""
    speeds = sorted(row["tokens_per_second"] for row in rows[-16:] if row.get("tokens_per_second"))
    return speeds[len(speeds) // 2] if speeds else None
