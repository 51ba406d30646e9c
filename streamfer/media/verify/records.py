"""The records against the input and against their own schema."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

from streamfer.labels import LABELS
from streamfer.media.records.schema import FACE_FIELDS, SCHEMA
from streamfer.types import StreamInfo

_TIME_TOLERANCE_S = 2e-6
"""Times are written with six digits."""
_SUM_TOLERANCE = 1e-3
"""By which probabilities may miss 1: seven float32 of a half-precision network, rounded."""


def stream_of(header: Mapping[str, Any], info: StreamInfo) -> str | None:
    """The name under which the records know the input; None where they don't."""
    streams = header.get("streams")
    entries = [s for s in streams if isinstance(s, dict)] if isinstance(streams, list) else []
    name = Path(info.source).name
    same_name = [s for s in entries if Path(str(s.get("source"))).name == name]
    found = same_name or (entries if len(entries) == 1 else [])
    return str(found[0].get("stream")) if found else None


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
        _content_problems(analysed, info),
    )
    return [problem for check in checks if (problem := next(check, None)) is not None]


def _header_problems(header: Mapping[str, Any], stream: str, info: StreamInfo) -> Iterator[str]:
    if header.get("schema") != SCHEMA:
        yield f"the schema is {header.get('schema')}, not {SCHEMA}"
    if header.get("labels") != list(LABELS):
        yield f"the labels are not {', '.join(LABELS)}"
    entry = next(s for s in header["streams"] if s.get("stream") == stream)
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
        if not _is_number(time_s) or abs(time_s - expected_s) > _TIME_TOLERANCE_S:
            yield f"frame {index} is at {time_s} s, not {expected_s:.6f} s"


def _content_problems(analysed: Sequence[Mapping[str, Any]], info: StreamInfo) -> Iterator[str]:
    for record in analysed:
        where = f"frame {record.get('frame')}"
        if set(record) - {"wall"} != {"stream", "frame", "time_s", "dropped", "faces"}:
            yield f"{where} has the fields {', '.join(record)}"
        faces = record.get("faces")
        if not isinstance(faces, list) or not all(isinstance(face, dict) for face in faces):
            yield f"{where} has no list of faces"
            continue
        tracks = [face.get("track") for face in faces]
        if len(set(tracks)) != len(tracks):
            yield f"{where} has a track twice: {tracks}"
        for face in faces:
            for problem in _face_problems(face, info):
                yield f"{where}, track {face.get('track')}: {problem}"


def _face_problems(face: Mapping[str, Any], info: StreamInfo) -> Iterator[str]:
    if set(face) != set(FACE_FIELDS):
        wrong = sorted(set(face) ^ set(FACE_FIELDS))
        yield f"missing or unknown fields: {', '.join(wrong)}"
        return
    for name, (is_right, wanted) in _FACE_RULES.items():
        if not is_right(face[name]):
            yield f"{name} is {face[name]}, not {wanted}"
            return
    x1, y1, x2, y2 = face["box"]
    centre_x, centre_y = (x1 + x2) / 2, (y1 + y2) / 2
    inside = 0 <= centre_x <= (info.width or 0) and 0 <= centre_y <= (info.height or 0)
    if not (x1 < x2 and y1 < y2 and inside):
        yield f"box {face['box']} is not in the picture"
    best = max(face["smoothed"])
    if face["smoothed"][LABELS.index(face["emotion"])] < best - _SUM_TOLERANCE:
        yield f"emotion is {face['emotion']}, which is not the likeliest of smoothed"


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _are_numbers(values: Any, length: int) -> bool:
    return isinstance(values, list) and len(values) == length and all(map(_is_number, values))


def _are_probabilities(values: Any) -> bool:
    return (
        _are_numbers(values, len(LABELS))
        and min(values) >= 0
        and abs(sum(values) - 1) <= _SUM_TOLERANCE
    )


def _is_share(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= 1


def _are_landmarks(points: Any) -> bool:
    return (
        isinstance(points, list)
        and len(points) == 5
        and all(_are_numbers(point, 2) for point in points)
    )


_FACE_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "track": (lambda v: isinstance(v, int) and v >= 1, "a number from 1"),
    "box": (lambda v: _are_numbers(v, 4), "four numbers"),
    "score": (_is_share, "from 0 to 1"),
    "landmarks": (_are_landmarks, "five points"),
    "emotion": (lambda v: v in LABELS, "a label"),
    "probs": (_are_probabilities, "seven probabilities that sum to 1"),
    "smoothed": (_are_probabilities, "seven probabilities that sum to 1"),
    "latent": (lambda v: v in (None, "encoder", "refined"), "null, encoder or refined"),
    "reconstruction_error": (lambda v: v is None or (_is_number(v) and v >= 0), "null or ≥ 0"),
    "refined_age_s": (lambda v: v is None or (_is_number(v) and v >= 0), "null or ≥ 0"),
    "trust": (lambda v: v is None or _is_share(v), "null or from 0 to 1"),
}
"""What each field of a face must be."""
