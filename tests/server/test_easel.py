"""The easel: the latest of a slot is drawn, nobody keeps another waiting, and who has left gets nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from luoxia.server import easel as easels
from luoxia.server.easel import Easel, SupersededError
from luoxia.server.errors import StoppingError


@pytest.fixture
def easel() -> Iterator[Easel]:
    easel = Easel()
    yield easel
    easel.close()
    easel.join(5)


class Brush:
    """Draws when it is let: each drawing waits for one release."""

    def __init__(self, easel: Easel) -> None:
        self.easel, self.gate = easel, threading.Semaphore(0)
        self.begun: list[object] = []
        self.told: list[object] = []

    def ask(
        self, what: object, sitter: object = "a", slot: str = "portrait", *, stubborn: bool = False
    ) -> None:
        def draw(superseded):
            self.begun.append(what)
            assert self.gate.acquire(timeout=5)
            if superseded() and not stubborn:
                raise SupersededError
            if isinstance(what, Exception):
                raise what
            return what

        self.easel.ask(sitter, slot, draw, self.told.append)


@pytest.fixture
def brush(easel: Easel) -> Brush:
    return Brush(easel)


def test_of_what_waits_in_a_slot_only_the_latest_is_drawn(brush: Brush, until) -> None:
    brush.ask(0)
    until(lambda: brush.begun == [0])
    for value in (1, 2, 3, 4):
        brush.ask(value)
    brush.gate.release(5)
    until(lambda: brush.told == [0, 4])
    assert brush.begun == [0, 4]


def test_slots_are_served_in_the_order_in_which_they_began_to_wait(brush: Brush, until) -> None:
    brush.ask("first")
    until(lambda: brush.begun == ["first"])
    brush.ask("mine 1", "a", "grid")
    brush.ask("yours", "b", "portrait")
    brush.ask("mine 2", "a", "grid")  # keeps its place
    brush.gate.release(9)
    until(lambda: brush.told == ["first", "mine 2", "yours"])


def test_a_long_drawing_that_is_replaced_is_given_up(brush: Brush, until, monkeypatch) -> None:
    monkeypatch.setattr(easels, "FINISH_WITHIN", 0.0)
    brush.ask("old")
    until(lambda: brush.begun == ["old"])
    brush.ask("new")
    brush.gate.release(2)
    until(lambda: brush.told == ["new"])


def test_who_leaves_gets_nothing_not_even_what_is_being_drawn(brush: Brush, until) -> None:
    brush.ask("being drawn", stubborn=True)  # it does not look whether somebody waits
    until(lambda: brush.begun == ["being drawn"])
    brush.ask("waiting", slot="grid")
    brush.ask("other", sitter="b")
    brush.easel.leave("a")
    brush.gate.release(3)
    until(lambda: brush.told == ["other"])
    assert "waiting" not in brush.begun


def test_a_failure_belongs_to_the_one_who_asked(brush: Brush, until) -> None:
    failure = RuntimeError("a bug")
    brush.ask(failure)
    brush.ask("fine", sitter="b")
    brush.gate.release(2)
    until(lambda: brush.told == [failure, "fine"])


def test_after_the_end_nothing_is_taken(brush: Brush, until) -> None:
    brush.ask("under way")
    until(lambda: brush.begun == ["under way"])
    brush.easel.close()
    with pytest.raises(StoppingError):
        brush.ask("late")
    brush.gate.release()
    assert brush.easel.join(5)
