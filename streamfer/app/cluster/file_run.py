"""A run of files on many workers: gives them out, takes results in, until none is left."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable

from streamfer.app.cluster.figures import ClusterFigures, WorkerFigures, remaining_s
from streamfer.app.cluster.fleet import Fleet
from streamfer.app.cluster.folder import JobFolder
from streamfer.app.cluster.queue import FileQueue
from streamfer.app.cluster.reports import (
    Attempt,
    Done,
    Failed,
    Lost,
    Progress,
    Ready,
    Refused,
    Report,
    StreamFigures,
    Workers,
)
from streamfer.errors import OutputError

log = logging.getLogger(__name__)

_LONGEST_WAIT_S = 0.25
"""Between two looks of the caller's, where nothing happens."""


class FileRun:
    """Shares files out; one thread calls it.

    Args:
        queue: the files.
        workers: who analyses them.
        folder: where results go.
        wanted: how many workers to keep.
        clock: monotonic seconds.
        before: how many files earlier runs have done.
        in_hand: files that a worker may have at once, where there are enough for all.
    """

    def __init__(
        self,
        queue: FileQueue,
        workers: Workers,
        folder: JobFolder,
        wanted: int,
        clock: Callable[[], float],
        before: int = 0,
        in_hand: int = 1,
    ) -> None:
        self._queue = queue
        self._workers = workers
        self._folder = folder
        self._fleet = Fleet(wanted, clock)
        self._clock = clock
        self._began_s = clock()
        self._first_given_s: float | None = None
        self._last_done_s: float | None = None
        self._attempts: dict[str, Attempt] = {}
        self._progress: dict[str, tuple[StreamFigures, ...]] = {}
        self._before = before
        self._in_hand = in_hand
        self._frames = 0
        self._faces = 0
        self._moved = 0
        self.notes: list[str] = []
        """What else there is to say."""
        self._stopping = False

    def stop(self) -> None:
        """Ends the run at the next look; what is under way is dropped."""
        self._stopping = True

    def run(self, on_tick: Callable[[], None] = lambda: None) -> bool:
        """Runs to the end.

        Args:
            on_tick: called several times a second; may call `stop`.

        Returns:
            Whether it came to the end, and was not stopped.

        Raises:
            EngineError: no worker can be had, or the cluster is gone.
            OutputError: the folder cannot be written to.
        """
        while not self._stopping and not self._queue.finished:
            for _ in range(self._fleet.missing(self._queue.waiting + self._queue.running)):
                self._fleet.started(self._workers.start())
            for report in self._workers.wait(_LONGEST_WAIT_S):
                self._take(report)
            self._feed_all()
            if not self._queue.finished:
                self._fleet.demand_anybody()
            on_tick()
        return not self._stopping

    def figures(self) -> ClusterFigures:
        """What it is at now."""
        queue, now_s = self._queue, self._clock()
        running = sum(s.frames for worker in self._progress for s in self._progress_of(worker))
        first_s = now_s if self._first_given_s is None else self._first_given_s
        last_s = first_s if self._last_done_s is None else self._last_done_s
        return ClusterFigures(
            elapsed_s=now_s - self._began_s,
            seconds=last_s - first_s,
            total=self._before + queue.done + len(queue.failed) + queue.waiting + queue.running,
            waiting=queue.waiting,
            running=queue.running,
            done=self._before + queue.done,
            failed=dict(queue.failed),
            frames=self._frames + running,
            faces=self._faces,
            dropped=0,
            workers=tuple(
                WorkerFigures(member.name, member.node, self._progress_of(member.name))
                for member in self._fleet
            ),
            lost=self._fleet.lost,
            moved=self._moved,
            eta_s=remaining_s(now_s - first_s, queue.done, queue.waiting + queue.running),
        )

    def _take(self, report: Report) -> None:
        if report.worker not in self._fleet:
            return
        match report:
            case Ready(worker, node):
                self._fleet.became_ready(worker, node)
            case Progress(worker, streams):
                self._progress[worker] = streams
            case Done():
                self._take_done(report)
            case Failed(worker, attempt, reason, broken):
                self._take_back(attempt, reason)
                if broken:  # else it would fail every file, as fast as it can
                    self._workers.end(worker)
                    self._take_lost(worker, reason)
            case Lost(worker, reason):
                log.warning("%s is gone: %s", self._fleet[worker].node or worker, reason)
                self._take_lost(worker, reason)
            case Refused(worker, reason):
                log.warning("%s", reason)
                self._workers.end(worker)
                self._fleet.refused(worker, reason)

    def _take_done(self, report: Done) -> None:
        taken = self._queue.of(report.attempt)
        attempt = self._attempts.pop(report.attempt, None)
        if taken is None or attempt is None:
            return
        self._queue.give_back(report.attempt)
        self._feed(report.worker)  # first: it need not wait for the disk
        try:
            node = self._fleet[report.worker].node or ""
            self._folder.commit(attempt, report.result, node)
        except OutputError as error:
            self._attempts[report.attempt] = attempt
            self._take_back(report.attempt, str(error))
            return
        self._queue.succeed(report.attempt)
        self._fleet.did_something()
        self._last_done_s = self._clock()
        self._frames += report.result.frames
        self._faces += report.result.faces
        self.notes += [note for note in report.result.notes if note not in self.notes]

    def _take_back(self, attempt_id: str, reason: str) -> None:
        attempt = self._attempts.pop(attempt_id, None)
        taken = self._queue.of(attempt_id)
        if attempt is None or taken is None:
            return
        self._folder.discard(attempt)
        given_up = self._queue.fail(attempt_id, reason)
        self._moved += not given_up
        name = taken.unit.spec.name
        outcome = "given up" if given_up else "tried again"
        log.warning("%s: attempt %d failed, %s: %s", name, taken.number, outcome, reason)

    def _take_lost(self, worker: str, reason: str) -> None:
        """Forgets a worker and takes back what it had."""
        node = self._fleet.gone(worker, reason).node or worker
        self._progress.pop(worker, None)
        for attempt in self._queue.attempts_of(worker):
            self._take_back(attempt, f"{node} was lost: {reason}")

    def _progress_of(self, worker: str) -> tuple[StreamFigures, ...]:
        """How far a worker has come with what it has in hand: the rest is done, or lost."""
        taken = map(self._queue.of, self._queue.attempts_of(worker))
        names = {each.unit.spec.name for each in taken if each is not None}
        return tuple(s for s in self._progress.get(worker, ()) if s.stream in names)

    def _feed_all(self) -> None:
        """Gives everybody a file before anybody gets a second one."""
        for _ in range(self._in_hand):
            for member in self._fleet:
                if member.node is not None:
                    self._feed(member.name)

    def _feed(self, worker: str) -> None:
        """Gives a worker one more file, if it may have one and there is one for it."""
        queue, in_hand = self._queue, len(self._queue.attempts_of(worker))
        enough_for_all = queue.waiting > self._fleet.wanted
        if self._stopping or in_hand >= (self._in_hand if enough_for_all else 1):
            return
        attempt_id = secrets.token_hex(8)
        taken = queue.take(worker, attempt_id)
        if taken is None:
            return
        folder = self._folder.new_attempt(attempt_id)
        attempt = Attempt(attempt_id, taken.unit.id, taken.number, taken.unit.spec, folder)
        self._attempts[attempt_id] = attempt
        if self._first_given_s is None:
            self._first_given_s = self._clock()
        self._workers.give(worker, attempt)
