"""Faces with a number: one tracker per stream, one verb, `update`.

Written here instead of taken from a library. norfair's requirements exclude the current numpy and
rich; trackers and supervision bring seventeen packages (matplotlib, requests, …); all of them count
frames where variable frame rates need seconds, and none carries a face through frames without
detections by looking at the picture. What they would save, a Kalman filter and a call of scipy's
assignment, is shorter than the code that would adapt them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamfer.geometry import lean_degrees
from streamfer.tracking.appearance import describe, likenesses
from streamfer.tracking.association import match_confident, match_doubtful
from streamfer.tracking.cut import CutDetector
from streamfer.tracking.track import Track
from streamfer.types import Detection, FloatArray, UInt8Array
from streamfer.vision.align import landmarks_reliable
from streamfer.vision.detection.suppression import on_same_head

_MAX_COAST_S = 0.25
"""How long a face is reported by prediction alone."""
_UNSURE_PATIENCE_S = 0.1
"""How long to go without a detection while a face is new or moves quickly."""
_NEW_S = 0.3
"""How long a face counts as new."""
_QUICK = 2.0
"""Face sizes per second from which on a face moves quickly."""
_FAINT_SCORE = 0.2
"""Below it a new face has to be found twice where the picture is calm: a shoulder or a fold is
taken for a face in one frame, and not a moment later."""

LookedAt = Callable[[FloatArray], NDArray[np.bool_]]


def looked_everywhere(boxes_xyxy: FloatArray) -> NDArray[np.bool_]:
    """What a detection of the whole picture would have found: every face."""
    return np.ones(len(boxes_xyxy), dtype=bool)


@dataclass(frozen=True, slots=True)
class TrackerConfig:
    """What makes a track."""

    new_score: float = 0.5
    """Detector score from which on a detection may be a new or returning face; below, it can only
    keep a face that is already tracked."""
    new_score_with_landmarks: float = 0.15
    """The same where the five landmarks lie as in a face: what is not one seldom has such. Of small
    faces the detectors give no score as low as that."""
    memory_s: float = 2.0
    """How long a face that left keeps its number."""

    def may_be_new(self, detection: Detection) -> bool:
        """Whether a detection is sure enough for a face that was not there before."""
        return detection.score >= self.new_score or (
            detection.score >= self.new_score_with_landmarks and landmarks_reliable(detection)
        )


@dataclass(frozen=True, slots=True, eq=False)
class TrackedFace:
    """A face and its number."""

    track_id: int
    """Unique within the stream, from 1, never given again."""
    detection: Detection
    """Where it is in this frame, with the score of its last detection."""
    detected: bool
    """True where the detector found it in this frame; False where it was carried."""


class Tracker:
    """Follows the faces of one stream.

    Args:
        config: scores and times.
        at_once: whether every new face is reported from its first detection on. Else a faint one in
            a calm picture waits for its second, which new faces get within a tenth of a second.
    """

    def __init__(self, config: TrackerConfig | None = None, *, at_once: bool = False) -> None:
        self._config = config or TrackerConfig()
        self._at_once = at_once
        self._live: list[Track] = []
        self._lost: list[Track] = []
        self._last_id = 0
        self._time_s = self._before_s = -math.inf
        self._frame_wh = (0, 0)
        self._missed = False
        self._cuts = CutDetector()
        self._cut_s = -math.inf

    @property
    def patience_s(self) -> float:
        """How long after the last detection the next one should come at the latest.

        Media time: 0 where the flow lost a face or the last detection missed one, short for new
        and for quick faces, else infinite.
        """
        if self._missed or any(t.supported_s < self._time_s for t in self._live):
            return 0.0
        unsure = any(t.speed > _QUICK or self._time_s - t.since_s < _NEW_S for t in self._live)
        return _UNSURE_PATIENCE_S if unsure else math.inf

    @property
    def detections(self) -> list[Detection]:
        """Where the faces that are followed were last."""
        return [track.detection for track in self._live]

    @property
    def boxes_xyxy(self) -> FloatArray:
        """(n, 4) float32 px, their boxes."""
        return _track_boxes(self._live)

    @property
    def lost(self) -> NDArray[np.bool_]:
        """(n,) bool, those of them that the flow has lost."""
        return np.array([t.supported_s < self._time_s for t in self._live], dtype=bool)

    @property
    def quarter_turns(self) -> NDArray[np.intp]:
        """(n,) 0 to 3, by how many quarters, clockwise, they lean; 0 where nobody knows."""
        points = np.array([t.detection.landmarks for t in self._live], np.float32)
        quarters = np.nan_to_num(lean_degrees(points.reshape(-1, 5, 2)) / 90)
        return np.rint(quarters).astype(np.intp) % 4

    def update(
        self,
        image: UInt8Array,
        time_s: float,
        detections: Sequence[Detection] | None,
        looked_at: LookedAt = looked_everywhere,
    ) -> list[TrackedFace]:
        """Takes in the next frame, or detections in the last one.

        Args:
            image: (H, W, 3) uint8 RGB, upright.
            time_s: media time, increasing; the same as before where detections of that frame
                follow.
            detections: what the detector found, low scores included; None where it did not run.
            looked_at: of which faces, given their boxes (n, 4), it would have found that they are
                there, (n,) bool.

        Returns:
            The faces in this frame, by number. After a detection these are the ones it found, and
            those that it did not look at; without one, the ones that were there before, carried
            along.
        """
        if time_s != self._time_s:
            self._follow(image, time_s)
        if detections is None:
            self._drop_unsupported()
        else:
            self._associate(image, detections, looked_at)
        self._lost = [t for t in self._lost if time_s - t.reported_s <= self._config.memory_s]
        for track in self._live:
            track.reported_s = time_s
        return [
            TrackedFace(t.track_id, t.detection, t.detected_s == time_s)
            for t in sorted(self._live, key=lambda t: t.track_id)
            if not t.awaited
        ]

    def _follow(self, image: UInt8Array, time_s: float) -> None:
        """Carries the faces into another frame."""
        self._follow_frame_size(image)
        dt_s = max(time_s - self._time_s, 0.0) if self._live or self._lost else 0.0
        self._before_s, self._time_s = self._time_s, time_s
        if self._cuts.is_cut(image, time_s):
            self._cut(time_s)
        for track in self._live:
            if time_s == self._cut_s:
                track.wait(dt_s)
            else:
                track.carry(image, time_s, dt_s)
        for track in self._lost:
            track.wait(dt_s)

    def _follow_frame_size(self, image: UInt8Array) -> None:
        height, width = image.shape[:2]
        if self._frame_wh != (width, height):
            for track in self._live + self._lost:
                track.stretch(width / self._frame_wh[0], height / self._frame_wh[1])
            self._frame_wh = (width, height)

    def _cut(self, time_s: float) -> None:
        """Another shot: nobody stays who they are for being where they were."""
        self._cut_s = time_s
        self._missed = bool(self._live)
        for track in self._live + self._lost:
            track.before_cut = True

    def _drop_unsupported(self) -> None:
        """Faces outside the picture, or carried blindly for too long, have left."""
        gone = [t for t in self._live if self._has_left(t)]
        self._lost += [t for t in gone if not t.awaited]
        self._live = [t for t in self._live if t not in gone]

    def _has_left(self, track: Track) -> bool:
        # What the flow has lost in this very frame is the detector's to judge (`patience_s` is 0),
        # however far the last frame lies back and wherever a prediction puts the face.
        if track.supported_s == self._before_s < self._time_s:
            return False
        return self._time_s - track.supported_s > _MAX_COAST_S or not _inside(
            track.detection.box_xyxy, self._frame_wh
        )

    def _associate(
        self, image: UInt8Array, detections: Sequence[Detection], looked_at: LookedAt
    ) -> None:
        """Two stages: confident detections to all tracks, the others to the live ones left."""
        confident = [d for d in detections if self._config.may_be_new(d)]
        doubtful = [d for d in detections if not self._config.may_be_new(d)]
        looks = [describe(image, d.box_xyxy) for d in confident]
        found = self._match_confident(image, confident, looks, looked_at)
        rest = [t for t in self._live if t not in found and not t.before_cut]
        for row, column in match_doubtful(_track_boxes(rest), _boxes(doubtful)):
            rest[row].found(image, self._time_s, doubtful[column])
            found.append(rest[row])
        rest = [t for t in self._live if t not in found]
        seen = looked_at(_track_boxes(rest))
        missed = [t for t, was_seen in zip(rest, seen, strict=True) if was_seen]
        gone = [t for t in rest if t in missed or self._has_left(t)]
        self._missed = any(not t.awaited for t in missed)
        self._lost = [t for t in self._lost if t not in found]
        self._lost += [t for t in gone if not t.awaited]
        self._live = found + [t for t in rest if t not in gone]

    def _match_confident(
        self,
        image: UInt8Array,
        detections: Sequence[Detection],
        looks: Sequence[FloatArray],
        looked_at: LookedAt,
    ) -> list[Track]:
        """Gives every confident detection to a live, a returning or a new track.

        What lies on the head of a face that was not looked at, such as a part of a large face in a
        fine look, is none.
        """
        now = self._time_s
        tracks = self._live + self._lost
        absent_s = [0.0] * len(self._live) + [now - t.reported_s for t in self._lost]
        pairs = match_confident(
            _track_boxes(tracks),
            np.array(absent_s),
            _boxes(detections),
            likenesses([t.appearance for t in tracks], looks),
            np.array([t.before_cut for t in tracks], dtype=bool),
        )
        owner = {column: row for row, column in pairs}
        matched = set(owner.values())
        left = [t.detection for row, t in enumerate(self._live) if row not in matched]
        carried = [d for d, seen in zip(left, looked_at(_boxes(left)), strict=True) if not seen]
        found = []
        for column, (detection, look) in enumerate(zip(detections, looks, strict=True)):
            if column not in owner:
                if any(on_same_head(detection, other) for other in carried):
                    continue
                self._last_id += 1
                faint = detection.score < _FAINT_SCORE
                awaited = faint and self._cuts.calm and not self._at_once
                track = Track(self._last_id, image, now, detection, look, awaited=awaited)
            else:
                track = tracks[owner[column]]
                track.awaited = False
                track.learn(look, now - track.detected_s)
                if owner[column] < len(self._live):
                    track.found(image, now, detection)
                else:
                    track.returned(image, now, detection)
            found.append(track)
        return found


def _inside(box_xyxy: FloatArray, frame_wh: tuple[int, int]) -> bool:
    """Whether the centre of a box lies in the picture."""
    x, y = ((box_xyxy[:2] + box_xyxy[2:]) / 2).tolist()
    return 0 <= x < frame_wh[0] and 0 <= y < frame_wh[1]


def _boxes(detections: Sequence[Detection]) -> FloatArray:
    return np.array([d.box_xyxy for d in detections], dtype=np.float32).reshape(-1, 4)


def _track_boxes(tracks: Sequence[Track]) -> FloatArray:
    return _boxes([t.detection for t in tracks])
