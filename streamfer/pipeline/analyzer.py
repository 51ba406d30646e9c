"""Frames in, faces with expressions out: detect, track, align, classify, smooth.

An ordinary callable that starts no thread: a serial loop over it gives the same results as the
threaded pipeline.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Literal

import numpy as np

from streamfer.labels import LABELS, LabelSet
from streamfer.pipeline.refine.latent_memory import LatentMemory
from streamfer.pipeline.refine.refiner import Refiner
from streamfer.pipeline.refine.residual import ResidualConfig
from streamfer.pipeline.stats.timing import StageTimes
from streamfer.tracking.schedule import PRESSED_SPACING, DetectionSchedule
from streamfer.tracking.smoothing import ProbabilitySmoother, SmoothingConfig
from streamfer.tracking.tracker import TrackedFace, Tracker, TrackerConfig
from streamfer.types import (
    Detection,
    FaceResult,
    FloatArray,
    Frame,
    FrameResult,
    UInt8Array,
)
from streamfer.vision.detection.search import StreamSearch
from streamfer.vision.face_reader import FaceReader, PictureBatch
from streamfer.vision.heads.head import FaceHead, read_heads
from streamfer.vision.trust import TrustModel


@dataclass(frozen=True, slots=True)
class AnalyzerConfig:
    """What the analyzer does with each frame."""

    detect_every: int | Literal["auto"] = "auto"
    """Run the detector on every n-th frame, or as often as new faces need it."""
    search_everywhere: bool = False
    """Look at every place of a file's pictures in each detection, not by turns."""
    label_set: LabelSet = "ferplus"
    """Which head of the network answers."""
    tracker: TrackerConfig = field(default_factory=TrackerConfig)
    smoothing: SmoothingConfig = field(default_factory=SmoothingConfig)
    residual: ResidualConfig = field(default_factory=ResidualConfig)
    """How fast refined latent codes fade; without a refiner of no matter."""


@dataclass(frozen=True, slots=True, eq=False)
class _Reading:
    """What the face network says of one crop."""

    crop: UInt8Array
    probs: FloatArray
    latent: FloatArray | None
    """(num_ws, w_dim) float32, from a network that has an encoder."""


class _StreamMemory:
    """What the analyzer remembers of one stream between frames."""

    def __init__(self, config: AnalyzerConfig) -> None:
        self.tracker = Tracker(config.tracker)
        self.schedule = DetectionSchedule(config.detect_every)
        self.search = StreamSearch()
        self.segment: int | None = None
        """Of the last frame in which faces were looked for."""
        self.smoother = ProbabilitySmoother(config.smoothing)


class Analyzer:
    """Analyses batches of frames of any number of streams.

    Args:
        reader: finds faces, and reads them with a network that answers `probs_ferplus` and
            `probs_fer2013` (N, 7) float32; with an encoder in it, `latent` (N, num_ws, w_dim)
            float32 too.
        config: what to do.
        times: where the time of each step is counted.
        refiner: refines latents in the background; started and closed by its owner.
        trust: says how far answers can be trusted; None leaves that open.
        heads: what else is said of each face, of all faces of a batch at once; without any nothing
            is done.
    """

    def __init__(
        self,
        reader: FaceReader,
        config: AnalyzerConfig | None = None,
        times: StageTimes | None = None,
        refiner: Refiner | None = None,
        trust: TrustModel | None = None,
        heads: Sequence[FaceHead] = (),
    ) -> None:
        self._reader = reader
        self._config = config or AnalyzerConfig()
        self._times = times or StageTimes()
        self._memories: dict[str, _StreamMemory] = {}
        self._latents = LatentMemory(refiner, self._config.residual)
        self._trust = trust
        self._heads = tuple(heads)

    def __call__(self, frames: Sequence[Frame]) -> list[FrameResult]:
        """Analyses a batch.

        Args:
            frames: of any streams; those of one stream in order.

        Returns:
            One result per frame, in the same order.

        Raises:
            EngineError: a network or a head failed.
        """
        pictures = self._reader.take([frame.image for frame in frames])
        tracked = self._find_faces(frames, pictures)
        readings = self._read_faces(pictures, tracked)
        self._latents.collect()
        found = [(f, face) for f, faces in zip(frames, tracked, strict=True) for face in faces]
        finished = [self._finish(*pair, r) for pair, r in zip(found, readings, strict=True)]
        if self._heads and finished:
            with self._times.stage("heads", len(finished)):
                crops = np.stack([reading.crop for reading in readings])
                finished = read_heads(self._heads, crops, finished)
        rest = iter(finished)
        return [
            FrameResult(frame, tuple(islice(rest, len(faces))))
            for frame, faces in zip(frames, tracked, strict=True)
        ]

    def use(self, reader: FaceReader) -> None:
        """Goes on with another reader from the next batch on."""
        self._reader = reader

    def forget(self, stream: str) -> None:
        """Frees what is kept of a stream that has ended."""
        self._memories.pop(stream, None)
        self._latents.forget(stream)

    def _find_faces(
        self, frames: Sequence[Frame], pictures: PictureBatch
    ) -> list[list[TrackedFace]]:
        """Detects and tracks; results in the order of the frames.

        Several frames of one stream depend on each other (a doubtful track asks for a detection),
        so the batch is worked off in rounds of one frame per stream.
        """
        tracked: list[list[TrackedFace]] = [[] for _ in frames]
        for members in _rounds(frames):
            due = self._due(frames, members)
            carried = [i for i in members if i not in due]
            self._track(frames, carried, tracked)
            # A face that cannot be carried into this frame (a cut, say) is looked for in it.
            due += [i for i in carried if self._memory(frames[i]).tracker.patience_s == 0]
            self._track(frames, due, tracked, self._detect(frames, pictures, due))
        return tracked

    def _due(self, frames: Sequence[Frame], members: Sequence[int]) -> list[int]:
        """Those of some streams' next frames on which the detector runs.

        Where frames are dropped, detections are spread over the batches, and the stream that has
        waited longest comes first: all in one batch, they would hold up every stream for so long
        that each lost frames, although there is time for all of them.
        """
        due = [i for i in members if self._detection_due(frames[i])]
        schedules = {i: self._memory(frames[i]).schedule for i in due}
        patient = [i for i in due if schedules[i].can_wait]
        room = math.ceil(len(members) / PRESSED_SPACING) - (len(due) - len(patient))
        patient.sort(key=lambda i: schedules[i].since_detected_s(frames[i].time_s), reverse=True)
        postponed = patient[max(room, 0) :]
        return [i for i in due if i not in postponed]

    def _detect(
        self, frames: Sequence[Frame], pictures: PictureBatch, due: Sequence[int]
    ) -> list[list[Detection]]:
        """Runs the detector on the frames with these indices."""
        if not due:
            return []
        searches = [self._search(frames[i]) for i in due]
        with self._times.stage("detect", len(due)):
            found = pictures.detect(due, searches)
        for i in due:
            self._memory(frames[i]).schedule.detected(frames[i].index, frames[i].time_s)
        return found

    def _search(self, frame: Frame) -> StreamSearch:
        """Where to look in a frame: everywhere in a file's first one, which may be its only one."""
        memory = self._memory(frame)
        is_live = frame.wall is not None
        is_first = frame.segment != memory.segment
        memory.segment = frame.segment
        memory.search.begin(
            frame.image,
            frame.time_s,
            memory.tracker.boxes_xyxy,
            memory.tracker.lost,
            everywhere=not is_live and (is_first or self._config.search_everywhere),
            hurried=memory.schedule.pressed,
        )
        return memory.search

    def _track(
        self,
        frames: Sequence[Frame],
        members: Sequence[int],
        tracked: list[list[TrackedFace]],
        detections: Sequence[Sequence[Detection]] | None = None,
    ) -> None:
        """Takes frames into their trackers, and the faces that these report into `tracked`."""
        if not members:
            return
        with self._times.stage("track"):
            for place, i in enumerate(members):
                frame = frames[i]
                found = None if detections is None else detections[place]
                memory = self._memory(frame)
                tracked[i] = memory.tracker.update(
                    frame.image, frame.time_s, found, memory.search.looked_at
                )

    def _detection_due(self, frame: Frame) -> bool:
        memory = self._memory(frame)
        return memory.schedule.due(
            frame.index,
            frame.time_s,
            dropped=frame.dropped,
            patience_s=memory.tracker.patience_s,
            segment=frame.segment,
        )

    def _read_faces(
        self, pictures: PictureBatch, tracked: Sequence[Sequence[TrackedFace]]
    ) -> list[_Reading]:
        """Runs the face network on all faces at once."""
        members = [i for i, faces in enumerate(tracked) for _ in faces]
        if not members:
            return []
        with self._times.stage("align"):
            batch = pictures.align(members, [f.detection for faces in tracked for f in faces])
        probs_output = f"probs_{self._config.label_set}"
        with self._times.stage("classify", len(members)):
            read = batch.read((probs_output, "latent"))
        latents = read.answers.get("latent", [None] * len(members))
        triples = zip(read.crops, read.answers[probs_output], latents, strict=True)
        return [_Reading(*each) for each in triples]

    def _finish(self, frame: Frame, face: TrackedFace, reading: _Reading) -> FaceResult:
        smoothed = self._memory(frame).smoother.update(face.track_id, frame.time_s, reading.probs)
        result = FaceResult(
            track_id=face.track_id,
            detection=face.detection,
            detected=face.detected,
            emotion=LABELS[int(smoothed.argmax())],
            probs=reading.probs,
            smoothed=smoothed,
        )
        if reading.latent is not None:
            result = self._latents.complete(result, frame, reading.crop, reading.latent)
        if self._trust is None:
            return result
        error = result.reconstruction_error
        return replace(result, trust=self._trust.trust(smoothed, face.detection, error))

    def _memory(self, frame: Frame) -> _StreamMemory:
        memory = self._memories.get(frame.stream)
        if memory is None:
            memory = self._memories[frame.stream] = _StreamMemory(self._config)
        return memory


def _rounds(frames: Sequence[Frame]) -> list[list[int]]:
    """Indices of the frames: first every stream's first frame, then every second one, …"""
    seen: dict[str, int] = {}
    rounds: list[list[int]] = []
    for index, frame in enumerate(frames):
        place = seen.get(frame.stream, 0)
        seen[frame.stream] = place + 1
        if place == len(rounds):
            rounds.append([])
        rounds[place].append(index)
    return rounds
