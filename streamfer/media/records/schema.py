"""What the records say: `streamfer.records/1`, as JSON objects and as rows of a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamfer.labels import LabelSet
from streamfer.types import FaceResult, FrameResult, StreamEvent, StreamInfo

SCHEMA = "streamfer.records/1"

_PIXEL_DIGITS = 2
_PROBABILITY_DIGITS = 6
_TIME_DIGITS = 6

FRAME_FIELDS = ("stream", "frame", "time_s", "wall", "dropped")
"""Columns that a frame's rows share."""
FACE_FIELDS = (
    "track",
    "box",
    "score",
    "landmarks",
    "emotion",
    "probs",
    "smoothed",
    "latent",
    "reconstruction_error",
    "refined_age_s",
    "trust",
)
"""Fields of a face, in their order; all null in the row of a frame without faces."""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model that the records come from."""

    name: str
    sha256: str
    """Of the model file, hex."""


@dataclass(frozen=True, slots=True)
class RecordHeader:
    """What holds for all records of a run."""

    streams: tuple[StreamInfo, ...]
    labels: tuple[str, ...]
    label_set: LabelSet
    detector: ModelInfo
    face: ModelInfo
    backend: str
    version: str
    """Streamfer's."""

    def to_json(self) -> dict[str, Any]:
        """The header as a JSON object."""
        return {
            "schema": SCHEMA,
            "streams": [
                {
                    "stream": info.stream,
                    "source": info.source,
                    "width": info.width,
                    "height": info.height,
                    "live": info.live,
                }
                for info in self.streams
            ],
            "labels": list(self.labels),
            "label_set": self.label_set,
            "models": {
                part: {"name": model.name, "sha256": model.sha256}
                for part, model in (("detector", self.detector), ("face", self.face))
            },
            "backend": self.backend,
            "streamfer": self.version,
        }


def frame_record(result: FrameResult) -> dict[str, Any]:
    """One analysed frame as a JSON object."""
    frame = result.frame
    record: dict[str, Any] = {
        "stream": frame.stream,
        "frame": frame.index,
        "time_s": round(frame.time_s, _TIME_DIGITS),
    }
    if frame.wall is not None:
        record["wall"] = frame.wall
    record["dropped"] = frame.dropped
    record["faces"] = [_face(face) for face in result.faces]
    return record


def event_record(event: StreamEvent) -> dict[str, Any]:
    """One event as a JSON object."""
    record: dict[str, Any] = {
        "stream": event.stream,
        "event": event.event,
        "time_s": round(event.time_s, _TIME_DIGITS),
    }
    if event.wall is not None:
        record["wall"] = event.wall
    return record | event.details


def face_rows(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A frame's record as rows of a table: one per face, or one of nulls."""
    shared = {name: record.get(name) for name in FRAME_FIELDS}
    faces = record["faces"] or [dict.fromkeys(FACE_FIELDS)]
    return [shared | {name: face[name] for name in FACE_FIELDS} for face in faces]


def frames_of_rows(rows: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """The records that `face_rows` made rows of."""
    for _, group in groupby(rows, key=lambda row: (row["stream"], row["frame"])):
        faces = list(group)
        record = {name: faces[0][name] for name in FRAME_FIELDS}
        if record["wall"] is None:
            del record["wall"]
        record["faces"] = [
            {name: face[name] for name in FACE_FIELDS}
            for face in faces
            if face["track"] is not None
        ]
        yield record


def _face(face: FaceResult) -> dict[str, Any]:
    detection = face.detection
    return {
        "track": face.track_id,
        "box": _rounded(detection.box_xyxy, _PIXEL_DIGITS),
        "score": _rounded_number(detection.score, _PROBABILITY_DIGITS),
        "landmarks": _rounded(detection.landmarks, _PIXEL_DIGITS),
        "emotion": face.emotion,
        "probs": _rounded(face.probs, _PROBABILITY_DIGITS),
        "smoothed": _rounded(face.smoothed, _PROBABILITY_DIGITS),
        "latent": face.latent_kind,
        "reconstruction_error": _rounded_number(face.reconstruction_error, _PROBABILITY_DIGITS),
        "refined_age_s": _rounded_number(face.refined_age_s, _TIME_DIGITS),
        "trust": _rounded_number(face.trust, _PROBABILITY_DIGITS),
    }


def _rounded(values: NDArray[Any], digits: int) -> list[Any]:
    # In float64: a float32 of 0.1 would be written with all the digits of its error.
    rounded: list[Any] = np.round(np.asarray(values, dtype=np.float64), digits).tolist()
    return rounded


def _rounded_number(value: float | None, digits: int) -> float | None:
    return None if value is None else round(float(value), digits)


LANDMARK_NAMES: Sequence[str] = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")
"""In the order of the schema; left and right as seen in the image."""
