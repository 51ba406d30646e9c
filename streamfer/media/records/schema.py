"""What the records say: `streamfer.records/1`, as JSON objects and as rows of a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from streamfer.fields import FACE_FIELDS, FRAME_FIELDS, FieldSpec
from streamfer.labels import LABELS, LabelSet
from streamfer.types import StreamInfo

SCHEMA = "streamfer.records/1"
RECORD_SUFFIXES = (".jsonl", ".csv", ".parquet")
"""Of records files; they choose the format."""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model that the records come from."""

    name: str
    sha256: str
    """Of the model file, hex."""


def stream_entry(info: StreamInfo) -> dict[str, Any]:
    """What the header says of a stream."""
    return {
        "stream": info.stream,
        "source": info.source,
        "width": info.width,
        "height": info.height,
        "live": info.live,
    }


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
    fields: tuple[FieldSpec, ...] = ()
    """What heads answer of every face, after the fields of `streamfer.fields`."""
    faces: str = "shown"
    """How faces are in the pictures of the run."""
    taught: tuple[str, ...] = LABELS
    """The labels that the face network was taught; the others' probabilities are 0."""
    run: str | None = None
    """Tells the files of one run from those of others with the same names."""

    def to_json(self) -> dict[str, Any]:
        """The header as a JSON object."""
        header: dict[str, Any] = {
            "schema": SCHEMA,
            "streams": [stream_entry(info) for info in self.streams],
            "labels": list(self.labels),
            "label_set": self.label_set,
            "models": {
                part: {"name": model.name, "sha256": model.sha256}
                for part, model in (("detector", self.detector), ("face", self.face))
            },
            "backend": self.backend,
            "streamfer": self.version,
        }
        if self.run is not None:
            header["run"] = self.run
        if self.faces != "shown":
            header["faces"] = self.faces
        if self.taught != self.labels:
            header["taught"] = list(self.taught)
        if self.fields:
            header["fields"] = [spec.to_json() for spec in self.fields]
        return header


def row_fields(extra: Sequence[FieldSpec]) -> tuple[FieldSpec, ...]:
    """The columns of a table of faces, in their order.

    Args:
        extra: what the header declares.
    """
    return (*FRAME_FIELDS, *(f.spec for f in FACE_FIELDS), *extra)


def face_rows(record: Mapping[str, Any], fields: Sequence[FieldSpec]) -> list[dict[str, Any]]:
    """A frame's record as rows of a table: one per face, or one of nulls.

    Args:
        record: of the frame.
        fields: the columns.
    """
    faces = record.get("faces") or [{}]
    return [
        {spec.name: face.get(spec.name, record.get(spec.name)) for spec in fields} for face in faces
    ]


def frames_of_rows(rows: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """The records that `face_rows` made rows of; columns that are missing stay so.

    Raises:
        ValueError: a column without which there is no record is missing.
    """
    frame_names = [spec.name for spec in FRAME_FIELDS]
    for _, group in groupby(rows, key=_frame_of):
        faces = list(group)
        first = faces[0]
        record = {name: first[name] for name in frame_names if name in first}
        if record.get("wall") is None:
            record.pop("wall", None)
        record["faces"] = [
            {name: value for name, value in face.items() if name not in frame_names}
            for face in faces
            if face.get("track") is not None
        ]
        yield record


def _frame_of(row: Mapping[str, Any]) -> tuple[Any, Any]:
    return row["stream"], row["frame"]
