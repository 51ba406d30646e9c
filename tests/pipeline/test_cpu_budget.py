"""A live run's budget of processor time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from streamfer.pipeline.cpu_budget import MOST_STRETCH, CpuBudget


class Machine:
    """A run that takes so many cores at each stretch, with a clock that each second moves on."""

    def __init__(self, budget: float, busy: Callable[[float], float | None]) -> None:
        self.now_s = 0.0
        self.busy = busy
        self.saved: list[float] = []
        self.said: list[str] = []
        self.stretch = 1.0
        self.measured = 0
        self._budget = CpuBudget(
            budget, self._busy_cores, self.saved.append, self.said.append, lambda: self.now_s
        )

    def run(self, seconds: int) -> None:
        for _ in range(10 * seconds):
            self.stretch = self._budget.stretch()
            self.now_s += 0.1

    def _busy_cores(self) -> float | None:
        self.measured += 1
        return self.busy(self.stretch)


def test_what_can_wait_is_done_less_often_until_the_budget_is_kept() -> None:
    machine = Machine(1.0, lambda stretch: 0.6 + 0.8 / stretch)
    machine.run(30)
    assert 0.6 + 0.8 / machine.stretch == pytest.approx(1.0, rel=0.01)
    assert machine.saved[-1] == machine.stretch
    assert machine.said == []


def test_a_run_within_its_budget_waits_for_nothing() -> None:
    machine = Machine(1.0, lambda stretch: 0.7)
    machine.run(10)
    assert machine.stretch == 1.0
    assert machine.saved == []


def test_what_was_saved_is_done_again_when_there_is_time() -> None:
    machine = Machine(1.0, lambda stretch: 4.0)
    machine.run(10)
    assert machine.stretch == MOST_STRETCH
    machine.busy = lambda stretch: 0.5
    machine.run(20)
    assert machine.stretch == machine.saved[-1] == 1.0


def test_a_budget_that_cannot_be_kept_is_said_once_until_it_is_kept_again() -> None:
    machine = Machine(0.5, lambda stretch: 0.9)
    machine.run(30)
    (said,) = machine.said
    assert said.startswith("--cpu-budget 0.5 cannot be kept: 0.9 cores are busy")
    machine.busy = lambda stretch: 0.3
    machine.run(5)
    machine.busy = lambda stretch: 0.9
    machine.run(30)
    assert len(machine.said) == 2


def test_it_asks_once_a_second_and_waits_where_nobody_knows() -> None:
    machine = Machine(1.0, lambda stretch: None)
    machine.run(10)
    assert machine.measured == 10
    assert machine.stretch == 1.0
