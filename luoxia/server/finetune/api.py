"""``/api/finetune``: examples, plans, and trainings as they go."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Path
from starlette.responses import Response

from luoxia.server.finetune import uploads
from luoxia.server.finetune.asks import (
    ExamplesAsk,
    ExamplesRead,
    Plan,
    PlanAsk,
    StartAsk,
    TuneCurves,
    TuneRun,
)
from luoxia.server.finetune.trainings import Trainings
from luoxia.server.refusals import reader_language

Name = Annotated[str, Path(min_length=1, max_length=64)]
AcceptLanguage = Annotated[str, Header()]


def finetune_api(trainings: Trainings) -> APIRouter:
    api = APIRouter(prefix="/api/finetune", tags=["finetune"])

    @api.post("/examples")
    def read_examples(ask: ExamplesAsk) -> ExamplesRead:
        """A file of examples is read and kept; what is wrong in it is told by line."""
        return uploads.keep(ask.name, uploads.in_base64(ask.data), trainings.needed())

    @api.post("/plan")
    def plan_finetuning(ask: PlanAsk) -> Plan:
        """What a training on these examples would be."""
        return trainings.plan(ask)

    @api.get("/runs")
    def list_finetunings() -> list[TuneRun]:
        """Fine-tunings that the studio began, the newest first."""
        return trainings.everything()

    @api.post("/runs")
    def start_finetuning(ask: StartAsk, accept_language: AcceptLanguage = "") -> TuneRun:
        """Begin a training in a process of its own."""
        return trainings.start(ask, reader_language(accept_language))

    @api.get("/runs/{name}")
    def get_finetuning(name: Name) -> TuneCurves:
        """How a training goes, or went."""
        return trainings.curves(name)

    @api.post("/runs/{name}/stop")
    def stop_finetuning(name: Name) -> TuneRun:
        """Have it save and end."""
        return trainings.stop(name)

    @api.post("/runs/{name}/resume")
    def resume_finetuning(name: Name, accept_language: AcceptLanguage = "") -> TuneRun:
        """Go on where it was stopped."""
        return trainings.go_on(name, reader_language(accept_language))

    @api.delete("/runs/{name}", status_code=204, response_class=Response)
    def remove_finetuning(name: Name) -> None:
        """Take a training away, and the adapter that came of it."""
        trainings.remove(name)

    return api
