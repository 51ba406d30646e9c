"""Frames in, faces with expressions out: detect, track, align, classify, smooth.

An ordinary callable that starts no thread: a serial loop over it gives the same results as the
threaded pipeline.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from streamfer.labels import LABELS
from streamfer.pipeline.cpu_budget import CpuBudget
from streamfer.pipeline.refine.completed import CompletedFace
from streamfer.pipeline.refine.drawing import CodedFace, Drawer, Imagine
from streamfer.pipeline.refine.latent_memory import LatentMemory
from streamfer.pipeline.refine.refiner import Refiner
from streamfer.pipeline.stats.timing import StageTimes
from streamfer.pipeline.stream_memory import AnalyzerConfig, StreamMemory, rounds
from streamfer.tracking.schedule import PRESSED_SPACING
from streamfer.tracking.tracker import TrackedFace
from streamfer.types import (
    Detection,
    FaceResult,
    FloatArray,
    Frame,
    FrameResult,
    UInt8Array,
)
from streamfer.vision.face_reader import FaceReader, PictureBatch
from streamfer.vision.heads.head import FaceHead, read_heads
from streamfer.vision.trust import TrustModel


@dataclass(frozen=True, slots=True, eq=False)
class _Reading:
    """What the face network says of one crop."""

    crop: UInt8Array
    probs: FloatArray
    latent: FloatArray | None
    """(num_ws, w_dim) float32, from a network that has an encoder."""


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
        drawer: draws faces from their codes; see `LatentMemory`.
        imagine: as what else faces are drawn.
        budget: of processor time, for live streams; None for no limit.
    """

    def __init__(
        self,
        reader: FaceReader,
        config: AnalyzerConfig | None = None,
        times: StageTimes | None = None,
        refiner: Refiner | None = None,
        trust: TrustModel | None = None,
        heads: Sequence[FaceHead] = (),
        drawer: Drawer | None = None,
        imagine: Imagine | None = None,
        budget: CpuBudget | None = None,
    ) -> None:
        self._reader = reader
        self._config = config or AnalyzerConfig()
        self._times = times or StageTimes()
        self._memories: dict[str, StreamMemory] = {}
        self._latents = LatentMemory(
            refiner, self._config.residual, drawer, imagine, draw_all=self._config.draw_all
        )
        self._trust = trust
        self._heads = tuple(heads)
        self._budget = budget

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
        finished = self._finish(found, readings)
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
        stretch = 1.0 if self._budget is None else self._budget.stretch()
        for members in rounds(frames):
            due = self._due(frames, members, stretch)
            carried = [i for i in members if i not in due]
            self._track(frames, carried, tracked)
            # A face that cannot be carried into this frame (a cut, say) is looked for in it.
            due += [i for i in carried if self._memory(frames[i]).tracker.patience_s == 0]
            between = self._between(frames, [i for i in carried if i not in due])
            found = self._detect(frames, pictures, due, between)
            self._track(frames, due + between, tracked, found)
        return tracked

    def _due(self, frames: Sequence[Frame], members: Sequence[int], stretch: float) -> list[int]:
        """Those of some streams' next frames on which the detector runs.

        Where frames are dropped, detections are spread over the batches, and the stream that has
        waited longest comes first: all in one batch, they would hold up every stream for so long
        that each lost frames, although there is time for all of them.
        """
        due = [i for i in members if self._memory(frames[i]).detection_due(frames[i], stretch)]
        schedules = {i: self._memory(frames[i]).schedule for i in due}
        patient = [i for i in due if schedules[i].can_wait]
        room = math.ceil(len(members) / PRESSED_SPACING) - (len(due) - len(patient))
        patient.sort(key=lambda i: schedules[i].since_detected_s(frames[i].time_s), reverse=True)
        postponed = patient[max(room, 0) :]
        return [i for i in due if i not in postponed]

    def _between(self, frames: Sequence[Frame], carried: Sequence[int]) -> list[int]:
        """Those of the frames without a detection in which a tile is searched."""
        return [i for i in carried if self._memory(frames[i]).tile_due(frames[i])]

    def _detect(
        self,
        frames: Sequence[Frame],
        pictures: PictureBatch,
        due: Sequence[int],
        between: Sequence[int],
    ) -> list[list[Detection]]:
        """Runs the detector on the frames with these indices: to look after the faces in those
        that are due, to search a tile in those between."""
        members = [*due, *between]
        if not members:
            return []
        searches = [self._memory(frames[i]).search_for(frames[i]) for i in due]
        searches += [self._memory(frames[i]).search for i in between]
        with self._times.stage("detect", len(members)):
            found = pictures.detect(members, searches)
        self._times.wrote("detect", 3 * sum(search.pixels for search in searches))
        for i in due:
            self._memory(frames[i]).schedule.detected(frames[i].index, frames[i].time_s)
        for place, i in enumerate(between, start=len(due)):
            memory = self._memory(frames[i])
            found[place] = memory.search.new_in_tile(found[place], memory.tracker.detections)
        return found

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
        self._times.wrote("align", read.crops.nbytes)
        latents = read.answers.get("latent", [None] * len(members))
        triples = zip(read.crops, read.answers[probs_output], latents, strict=True)
        return [_Reading(*each) for each in triples]

    def _finish(
        self, found: Sequence[tuple[Frame, TrackedFace]], readings: Sequence[_Reading]
    ) -> list[FaceResult]:
        """What is said of the faces of a batch, all but what the heads say."""
        pairs = list(zip(found, readings, strict=True))
        answers = [self._answer(*pair, reading.probs) for pair, reading in pairs]
        # A network has an encoder, or it has none: all faces have codes, or none of them.
        coded = [
            CodedFace(answer, frame, reading.crop, reading.latent)
            for answer, ((frame, _), reading) in zip(answers, pairs, strict=True)
            if reading.latent is not None
        ]
        completed = [CompletedFace(answer, None) for answer in answers]
        if coded:
            with self._times.stage("draw", len(coded)):
                completed = self._latents.complete(coded)
        return [self._trusted(*each) for each in zip(completed, readings, strict=True)]

    def _answer(self, frame: Frame, face: TrackedFace, probs: FloatArray) -> FaceResult:
        smoothed = self._memory(frame).smoother.update(face.track_id, frame.time_s, probs)
        return FaceResult(
            track_id=face.track_id,
            detection=face.detection,
            detected=face.detected,
            emotion=LABELS[int(smoothed.argmax())],
            probs=probs,
            smoothed=smoothed,
        )

    def _trusted(self, face: CompletedFace, reading: _Reading) -> FaceResult:
        result = face.result
        if self._trust is None:
            return result
        error = face.searched_error
        trust = self._trust.trust(result.smoothed, result.detection, error, reading.latent)
        return replace(result, trust=trust)

    def _memory(self, frame: Frame) -> StreamMemory:
        memory = self._memories.get(frame.stream)
        if memory is None:
            memory = self._memories[frame.stream] = StreamMemory(self._config)
        return memory
