"""A run of cameras on many workers: each is with one of them, and moves when that is lost."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence

from streamfer.app.cluster.figures import ClusterFigures, WorkerFigures
from streamfer.app.cluster.fleet import Fleet
from streamfer.app.cluster.reports import (
    Lost,
    Progress,
    Ready,
    Refused,
    Report,
    StreamFigures,
    Workers,
)
from streamfer.media.sources.source_list import SourceSpec

log = logging.getLogger(__name__)

_LONGEST_WAIT_S = 0.25
_GATHER_S = 60.0
"""How long the first workers wait for the others, so that cameras are shared evenly."""
_OVER = frozenset({"done", "failed", "interrupted"})


class CameraRun:
    """Shares cameras out and moves those of lost workers; one thread calls it.

    Args:
        cameras: the cameras.
        workers: who analyses them.
        wanted: how many workers to keep.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        cameras: Sequence[SourceSpec],
        workers: Workers,
        wanted: int,
        clock: Callable[[], float],
    ) -> None:
        self._cameras = {spec.name: spec for spec in cameras}
        self._workers = workers
        self._fleet = Fleet(min(wanted, len(cameras)), clock)
        self._clock = clock
        self._began_s = clock()
        self._first_ready_s: float | None = None
        self._unassigned: dict[str, str | None] = dict.fromkeys(self._cameras)
        """Cameras that no worker has, and the node that lost them."""
        self._holder: dict[str, str] = {}
        """By camera, its worker."""
        self._seen: dict[str, StreamFigures] = {}
        """By camera, what its worker said last."""
        self._before: dict[str, StreamFigures] = {}
        """By camera, what workers had counted that it is no longer with."""
        self._moved = 0
        self._stopping = False

    def stop(self) -> None:
        """Ends the run at the next look."""
        self._stopping = True

    def run(self, on_tick: Callable[[], None] = lambda: None) -> bool:
        """Runs until every camera has ended for good.

        Args:
            on_tick: called several times a second; may call `stop`.

        Returns:
            Whether it came to that, and was not stopped.

        Raises:
            EngineError: no worker can be had, or the cluster is gone.
        """
        while not self._stopping and not self._over():
            for _ in range(self._fleet.missing(len(self._cameras))):
                self._fleet.started(self._workers.start())
            for report in self._workers.wait(_LONGEST_WAIT_S):
                self._take(report)
            self._assign()
            self._fleet.demand_anybody()
            on_tick()
        return not self._stopping

    def figures(self) -> ClusterFigures:
        """What it is at now."""
        streams = [self._total(name) for name in self._cameras]
        failed = {s.stream: s.message or "it has ended" for s in streams if s.state == "failed"}
        ended = sum(s.state in _OVER for s in streams)
        held: dict[str, list[StreamFigures]] = defaultdict(list)
        for camera, worker in self._holder.items():
            held[worker].append(self._total(camera))
        now_s = self._clock()
        return ClusterFigures(
            elapsed_s=now_s - self._began_s,
            seconds=now_s - (now_s if self._first_ready_s is None else self._first_ready_s),
            total=len(self._cameras),
            waiting=len(self._unassigned),
            running=len(self._cameras) - len(self._unassigned) - ended,
            done=ended - len(failed),
            failed=failed,
            frames=sum(s.frames for s in streams),
            faces=sum(s.faces for s in streams),
            dropped=sum(s.dropped for s in streams),
            workers=tuple(
                WorkerFigures(member.name, member.node, tuple(held[member.name]))
                for member in self._fleet
            ),
            lost=self._fleet.lost,
            moved=self._moved,
            eta_s=None,
            live=True,
        )

    def _total(self, camera: str) -> StreamFigures:
        now = self._seen.get(camera) or StreamFigures(camera, "waiting", 0, 0, 0, 0.0)
        before = self._before.get(camera)
        if before is None:
            return now
        return StreamFigures(
            camera,
            now.state,
            before.frames + now.frames,
            before.dropped + now.dropped,
            before.faces + now.faces,
            now.fps,
            now.message,
        )

    def _over(self) -> bool:
        return not self._unassigned and all(
            self._total(camera).state in _OVER for camera in self._cameras
        )

    def _take(self, report: Report) -> None:
        if report.worker not in self._fleet:
            return
        match report:
            case Ready(worker, node):
                self._fleet.became_ready(worker, node)
                if self._first_ready_s is None:
                    self._first_ready_s = self._clock()
            case Progress(worker, streams):
                for stream in streams:
                    if self._holder.get(stream.stream) == worker:
                        self._seen[stream.stream] = stream
                        if stream.frames:
                            self._fleet.did_something()
            case Lost(worker, reason):
                self._take_lost(worker, reason)
            case Refused(worker, reason):
                log.warning("%s", reason)
                self._workers.end(worker)
                self._fleet.refused(worker, reason)

    def _take_lost(self, worker: str, reason: str) -> None:
        node = self._fleet[worker].node or worker
        lost = [camera for camera, holder in self._holder.items() if holder == worker]
        for camera in lost:
            del self._holder[camera]
            if self._total(camera).state in _OVER:
                continue
            self._before[camera] = self._total(camera)
            self._seen.pop(camera, None)
            self._unassigned[camera] = node
        self._moved += len(lost)
        log.warning("%s is gone (%s): its %d cameras go to others", node, reason, len(lost))
        self._fleet.gone(worker, reason)

    def _assign(self) -> None:
        """Gives cameras that nobody has to the workers that have the fewest."""
        ready = [member for member in self._fleet if member.node is not None]
        if not self._unassigned or not ready or self._still_gathering():
            return
        load = {member.name: 0 for member in ready}
        for worker in self._holder.values():
            if worker in load:
                load[worker] += 1
        shares: dict[tuple[str, str | None], list[SourceSpec]] = defaultdict(list)
        for camera, lost_by in self._unassigned.items():
            worker = min(load, key=load.__getitem__)
            load[worker] += 1
            self._holder[camera] = worker
            shares[worker, lost_by].append(self._cameras[camera])
        self._unassigned.clear()
        for (worker, lost_by), cameras in shares.items():
            self._workers.watch(worker, cameras, lost_by)

    def _still_gathering(self) -> bool:
        """Whether more workers are about to start, and no camera has been given out yet."""
        begun = bool(self._holder) or bool(self._before) or self._first_ready_s is None
        complete = self._fleet.ready >= self._fleet.wanted
        if begun or complete:
            return False
        assert self._first_ready_s is not None
        return self._clock() - self._first_ready_s < _GATHER_S
