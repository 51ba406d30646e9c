"""Workers without machines, for the logic of a run on many of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from streamfer.app.cluster.folder import JobFolder
from streamfer.app.cluster.queue import Unit
from streamfer.app.cluster.reports import (
    Attempt,
    AttemptResult,
    Done,
    Failed,
    Lost,
    Ready,
    Report,
    WrittenFile,
)
from streamfer.media.sources.kinds import SourceKind
from streamfer.media.sources.source_list import SourceSpec

NO_SHA = "0" * 64


class Clock:
    """A clock that only moves when told to."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def units(count: int) -> list[Unit]:
    specs = (SourceSpec(SourceKind.DEMO, f"s{n}", "") for n in range(count))
    return [Unit(f"{spec.name}-id", spec) for spec in specs]


def written(attempt: Attempt, text: str = "result") -> AttemptResult:
    """Leaves a file as a worker would."""
    folder = attempt.folder / "records"
    folder.mkdir(exist_ok=True)
    (folder / f"{attempt.spec.name}.jsonl").write_text(text)
    file = WrittenFile("records", f"{attempt.spec.name}.jsonl", len(text), NO_SHA)
    return AttemptResult(10, 5, 1.0, (file,))


def job_folder(path: Path) -> JobFolder:
    return JobFolder(path, lambda output, stream: path / output)


Act = Callable[["FakeWorkers", str, Attempt], Iterable[Report]]
"""What happens once a worker has been given a file."""


def succeed(workers: FakeWorkers, worker: str, attempt: Attempt) -> list[Report]:
    return [Done(worker, attempt.id, written(attempt))]


def fail(workers: FakeWorkers, worker: str, attempt: Attempt) -> list[Report]:
    return [Failed(worker, attempt.id, "cannot read it", broken=False)]


def die(workers: FakeWorkers, worker: str, attempt: Attempt) -> list[Report]:
    written(attempt, "half")
    return [Lost(worker, "killed")]


class FakeWorkers:
    """Workers that do as the test says, one after the other.

    Args:
        act: what a given file leads to.
        on_start: what follows a start; by default the worker is ready.
    """

    def __init__(
        self,
        act: Act = succeed,
        on_start: Callable[[str], Iterable[Report]] = lambda name: [Ready(name, f"node-{name}")],
    ) -> None:
        self._act = act
        self._on_start = on_start
        self._reports: list[Report] = []
        self.started: list[str] = []
        self.ended: list[str] = []
        self.given: list[tuple[str, Attempt]] = []
        self.watched: list[tuple[str, tuple[str, ...], str | None]] = []
        self.on_wait: Callable[[], None] = lambda: None

    def start(self) -> str:
        name = f"w{len(self.started)}"
        self.started.append(name)
        self._reports += self._on_start(name)
        return name

    def give(self, worker: str, attempt: Attempt) -> None:
        self.given.append((worker, attempt))
        self._reports += self._act(self, worker, attempt)

    def watch(self, worker: str, cameras: Sequence[SourceSpec], lost_by: str | None) -> None:
        self.watched.append((worker, tuple(c.name for c in cameras), lost_by))

    def end(self, worker: str) -> None:
        self.ended.append(worker)

    def say(self, *reports: Report) -> None:
        self._reports += reports

    def wait(self, timeout_s: float) -> list[Report]:
        self.on_wait()
        reports, self._reports = self._reports, []
        return reports

    @property
    def files_given(self) -> list[str]:
        return [attempt.spec.name for _, attempt in self.given]
