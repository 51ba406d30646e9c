"""The records against the input and against their own schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from streamfer.errors import ConfigError
from streamfer.fields import (
    FACE_FIELDS,
    FRAME_FIELDS,
    PROBABILITY_TOLERANCE,
    FieldSpec,
    declared_fields,
    fits,
    is_number,
)
from streamfer.labels import LABELS
from streamfer.media.files.same_path import places_of
from streamfer.media.records.schema import SCHEMA
from streamfer.types import StreamInfo

_TIME_TOLERANCE_S = 2e-6
"""Times are written with six digits."""
_OPTIONAL_OF_A_FRAME = {"wall"}


def stream_of(header: Mapping[str, Any], info: StreamInfo) -> str | None:
    """The name under which the records know the input; None where they don't.

    Raises:
        ConfigError: several of their streams may come from it.
    """
    entries = _entries(header)
    found = [
        entries[place] for place in places_of(info.source, [str(s.get("source")) for s in entries])
    ]
    names = [str(entry.get("stream")) for entry in found or entries]
    if len(found) > 1:
        raise ConfigError(
            f"{info.source}: the records' streams {', '.join(names)} may all come from it;"
            " name one with --stream"
        )
    return names[0] if len(names) == 1 else None


def _entries(header: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    streams = header.get("streams")
    return [s for s in streams if isinstance(s, dict)] if isinstance(streams, list) else []


def record_differences(
    header: Mapping[str, Any],
    stream: str | None,
    analysed: Sequence[Mapping[str, Any]],
    info: StreamInfo,
    frames: Sequence[tuple[int, float]],
) -> list[str]:
    """The first difference of each kind: header, order and count, times, contents.

    Args:
        header: the records' header.
        stream: the input's name in them.
        analysed: the records of that stream, in order.
        info: the input.
        frames: (index, time_s) of each of its frames.
    """
    if stream is None:
        return [f"no stream of theirs comes from {info.source}"]
    checks = (
        _header_problems(header, stream, info),
        _order_problems(analysed, frames),
        _time_problems(analysed, dict(frames)),
        _content_problems(analysed, info, declared_fields(header)),
    )
    return [problem for check in checks if (problem := next(check, None)) is not None]


def _header_problems(header: Mapping[str, Any], stream: str, info: StreamInfo) -> Iterator[str]:
    if header.get("schema") != SCHEMA:
        yield f"the schema is {header.get('schema')}, not {SCHEMA}"
    if header.get("labels") != list(LABELS):
        yield f"the labels are not {', '.join(LABELS)}"
    entry = next((s for s in _entries(header) if s.get("stream") == stream), None)
    if entry is None:
        yield f"no stream of theirs is called {stream}"
        return
    size = (entry.get("width"), entry.get("height"))
    if size != (info.width, info.height):
        yield f"{stream} has {size[0]}×{size[1]} pixels, not {info.width}×{info.height}"


def _order_problems(
    analysed: Sequence[Mapping[str, Any]], frames: Sequence[tuple[int, float]]
) -> Iterator[str]:
    for position, (record, (index, _)) in enumerate(zip(analysed, frames, strict=False)):
        if record.get("frame") != index:
            yield f"record {position} is of frame {record.get('frame')}, not {index}"
    if len(analysed) != len(frames):
        yield f"{len(analysed)} records of {len(frames)} frames"


def _time_problems(
    analysed: Sequence[Mapping[str, Any]], times_s: Mapping[int, float]
) -> Iterator[str]:
    for record in analysed:
        index, time_s = record.get("frame"), record.get("time_s")
        expected_s = times_s.get(index) if isinstance(index, int) else None
        if expected_s is None:
            continue
        if not is_number(time_s) or abs(time_s - expected_s) > _TIME_TOLERANCE_S:
            yield f"frame {index} is at {time_s} s, not {expected_s:.6f} s"


def _content_problems(
    analysed: Sequence[Mapping[str, Any]], info: StreamInfo, declared: Sequence[FieldSpec]
) -> Iterator[str]:
    needed = {spec.name for spec in FRAME_FIELDS} - _OPTIONAL_OF_A_FRAME
    for record in analysed:
        where = f"frame {record.get('frame')}"
        missing = sorted(needed - set(record))
        if missing:
            yield f"{where} lacks {', '.join(missing)}"
        faces = record.get("faces")
        if not isinstance(faces, list) or not all(isinstance(face, dict) for face in faces):
            yield f"{where} has no list of faces"
            continue
        tracks = [face.get("track") for face in faces]
        if len(set(map(str, tracks))) != len(tracks):
            yield f"{where} has a track twice: {tracks}"
        for face in faces:
            for problem in _face_problems(face, info, declared):
                yield f"{where}, track {face.get('track')}: {problem}"


def _face_problems(
    face: Mapping[str, Any], info: StreamInfo, declared: Sequence[FieldSpec]
) -> Iterator[str]:
    """What is wrong with the fields that are known; files may hold less and more."""
    for field in FACE_FIELDS:
        name = field.spec.name
        if name not in face:
            if field.required:
                yield f"{name} is missing"
                return
        elif not field.is_right(face[name]):
            yield f"{name} is {face[name]}, not {field.wanted}"
            return
    for spec in declared:
        if not fits(spec, face.get(spec.name)):
            yield f"{spec.name} is {face[spec.name]}, which is no {spec.kind}"
            return
    x1, y1, x2, y2 = face["box"]
    centre_x, centre_y = (x1 + x2) / 2, (y1 + y2) / 2
    inside = 0 <= centre_x <= (info.width or 0) and 0 <= centre_y <= (info.height or 0)
    if not (x1 < x2 and y1 < y2 and inside):
        yield f"box {face['box']} is not in the picture"
    best = max(face["smoothed"])
    if face["smoothed"][LABELS.index(face["emotion"])] < best - PROBABILITY_TOLERANCE:
        yield f"emotion is {face['emotion']}, which is not the likeliest of smoothed"
