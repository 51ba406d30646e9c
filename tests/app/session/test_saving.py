"""What a run does without to keep `--cpu-budget`."""

from __future__ import annotations

import itertools
import logging
from types import SimpleNamespace

import pytest

import streamfer
from streamfer.app.config import RunConfig
from streamfer.app.session import saving
from streamfer.app.session.saving import cpu_budget, rest_refiner
from streamfer.app.terminal.resources import ResourceUse
from streamfer.pipeline.refine.refiner import Refiner
from tests.support.refinement import FakeBackend


class NotingRefiner(Refiner):
    """Notes how long it is to rest."""

    def __init__(self) -> None:
        super().__init__(FakeBackend())
        self.rests: list[float] = []

    def rest(self, times: float) -> None:
        self.rests.append(times)


class BusyMeter:
    """Two cores are busy, whatever is saved."""

    def __init__(self, *_: object) -> None:
        self.reads = 0

    def read(self) -> ResourceUse:
        self.reads += 1
        return ResourceUse(self._busy_cores(), cores=4, memory_bytes=1, gpu=None)

    def _busy_cores(self) -> float:
        return 2.0


class FlappingMeter(BusyMeter):
    """A moment's rest after every 20 s."""

    def _busy_cores(self) -> float:
        return 2.0 if self.reads % 20 else 0.4


@pytest.mark.parametrize(
    ("seen", "stretch", "rest"), [(True, 1.0, 0.0), (False, 1.0, 1.0), (True, 10.0, 99.0)]
)
def test_how_long_the_refiner_rests(seen: bool, stretch: float, rest: float) -> None:
    refiner = NotingRefiner()
    rest_refiner(refiner, seen=seen, stretch=stretch)
    assert refiner.rests == [rest]
    rest_refiner(None, seen=seen)


@pytest.mark.parametrize("meter", [BusyMeter, FlappingMeter])
def test_a_budget_that_cannot_be_kept_is_once_logged_and_in_the_summary(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, meter: type[BusyMeter]
) -> None:
    seconds = itertools.count()
    clock = SimpleNamespace(monotonic=lambda: float(next(seconds)))
    monkeypatch.setattr(saving, "time", clock)
    monkeypatch.setattr(saving, "ResourceMeter", meter)
    refiner, notes = NotingRefiner(), list[str]()
    budget = cpu_budget(RunConfig(cpu_budget=0.5), refiner, notes, live=True, seen=True)
    assert budget is not None
    for _ in range(119):
        budget.stretch()
    assert refiner.rests[-1] == pytest.approx(99.0)
    (note,) = notes
    assert note.startswith("--cpu-budget 0.5 cannot be kept: 2.0 cores are busy")
    assert caplog.messages == [note]


def test_files_have_no_budget_and_that_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert cpu_budget(RunConfig(), None, [], live=False, seen=True) is None
        assert caplog.text == ""
        assert cpu_budget(RunConfig(cpu_budget=1.0), None, [], live=False, seen=True) is None
    assert "--cpu-budget limits live streams" in caplog.text


def test_a_live_run_asks_its_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class Budget:
        def stretch(self) -> float:
            asked.append(1)
            return 1.0

    monkeypatch.setattr("streamfer.app.session.job.cpu_budget", lambda *_, **__: Budget())
    with streamfer.Session(refine=False, cpu_budget=2.0) as session:
        session.run("demo:", realtime=True, max_frames=3)
    assert asked
