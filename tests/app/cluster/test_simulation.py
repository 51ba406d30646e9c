"""A hundred workers and ten thousand files, in simulated time: what the driver costs."""

from __future__ import annotations

import heapq
import random
import time
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pytest

from streamfer.app.cluster.file_run import FileRun
from streamfer.app.cluster.folder import done_files
from streamfer.app.cluster.queue import FileQueue
from streamfer.app.cluster.reports import (
    Attempt,
    Done,
    Lost,
    Progress,
    Ready,
    Report,
    StreamFigures,
)
from streamfer.media.sources.source_list import SourceSpec
from tests.support.cluster import Clock, job_folder, units, written

FILE_S = (20.0, 40.0)
"""Seconds that a worker takes for a file: a minute of 640×360 at 50 frames/s takes 30."""
PROGRESS_S = 1.0


class SimulatedWorkers:
    """Workers that take a file's time of a clock that jumps from one event to the next.

    Args:
        clock: the clock.
        deaths: how many of them die with a file in hand.
        seed: of the times.
    """

    def __init__(self, clock: Clock, deaths: int, seed: int = 1) -> None:
        self._clock = clock
        self._random = random.Random(seed)
        self._deaths = deaths
        self._events: list[tuple[float, int, Report]] = []
        self._count = 0
        self._alive: set[str] = set()
        self.given = 0
        self.gaps_s: list[float] = []
        """From a report of a result until its worker has the next file, of the real clock."""
        self._reported_s: dict[str, float] = {}

    def start(self) -> str:
        self._count += 1
        name = f"w{self._count}"
        self._alive.add(name)
        self._later(5.0, Ready(name, f"node-{name}"))
        return name

    def give(self, worker: str, attempt: Attempt) -> None:
        if worker in self._reported_s:
            self.gaps_s.append(time.perf_counter() - self._reported_s.pop(worker))
        self.given += 1
        took_s = self._random.uniform(*FILE_S)
        if self.given % 500 == 0 and self._deaths:
            self._deaths -= 1
            self._later(took_s / 2, Lost(worker, "killed"))
        else:
            result = written(attempt)
            self._later(took_s, Done(worker, attempt.id, result))
        at_s = PROGRESS_S
        while at_s < took_s:
            figures = (StreamFigures(attempt.spec.name, "running", int(at_s), 0, 0, 50.0),)
            self._later(at_s, Progress(worker, figures))
            at_s += 5 * PROGRESS_S  # every fifth: the heap is not the driver's

    def watch(self, worker: str, cameras: Sequence[SourceSpec], lost_by: str | None) -> None:
        raise NotImplementedError

    def end(self, worker: str) -> None:
        self._alive.discard(worker)

    def wait(self, timeout_s: float) -> list[Report]:
        deadline_s = self._clock.now_s + timeout_s
        reports = []
        while self._events and self._events[0][0] <= deadline_s:
            at_s, _, report = heapq.heappop(self._events)
            if report.worker not in self._alive:
                continue
            self._clock.now_s = max(self._clock.now_s, at_s)
            if isinstance(report, Lost):
                self._alive.discard(report.worker)
            reports.append(report)
            if isinstance(report, Done):
                break
        if not reports:
            self._clock.now_s = deadline_s
        for report in reports:
            if isinstance(report, Done):
                self._reported_s[report.worker] = time.perf_counter()
        return reports

    def _later(self, in_s: float, report: Report) -> None:
        heapq.heappush(
            self._events,
            (self._clock.now_s + in_s, self._count * 10**9 + len(self._events), report),
        )


@pytest.mark.parametrize(
    ("workers", "files"),
    [(8, 120), pytest.param(100, 10_000, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])],
)
def test_a_driver_keeps_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], workers: int, files: int
) -> None:
    clock = Clock()
    simulated = SimulatedWorkers(clock, deaths=files // 1000)
    sizes: list[int] = []
    with job_folder(tmp_path) as folder:
        run = FileRun(FileQueue(units(files)), simulated, folder, workers, clock)
        looked_s = clock()

        def tick() -> None:
            nonlocal looked_s
            if clock() - looked_s >= 1.0:  # as often as somebody looks
                looked_s = clock()
                run.figures()
            done = run.figures().done if len(sizes) in (0, 1) else 0
            if len(sizes) == 0 and done >= files // 10:
                tracemalloc.start()
                sizes.append(0)
            elif len(sizes) == 1 and done >= files * 9 // 10:
                sizes.append(tracemalloc.get_traced_memory()[0])
                tracemalloc.stop()

        began_s, cpu_s = clock(), time.process_time()
        assert run.run(tick)
        used_s, took_s = time.process_time() - cpu_s, clock() - began_s
    figures = run.figures()
    assert (figures.done, figures.failed) == (files, {})
    assert len(list(done_files(tmp_path))) == files
    assert figures.moved == files // 1000
    busy = files * sum(FILE_S) / 2 / workers
    assert took_s < busy * 1.1 + 120  # nobody waits for work
    gaps_ms = [1000 * gap for gap in sorted(simulated.gaps_s)]
    with capsys.disabled():
        print(
            f"\n{workers} workers, {files} files: {took_s / 60:.0f} simulated minutes, driver"
            f" {used_s:.1f} s of CPU = {100 * used_s / took_s:.1f} % of a core; gap median"
            f" {gaps_ms[len(gaps_ms) // 2]:.1f} ms, p99 {gaps_ms[len(gaps_ms) * 99 // 100]:.1f} ms,"
            f" most {gaps_ms[-1]:.0f} ms; memory from 10 to 90 %: {sizes[1] / 1e6:+.2f} MB"
        )
