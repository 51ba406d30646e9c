"""Options as Python programs give them: typed for editors, coerced as the command line does."""

from __future__ import annotations

import dataclasses
import difflib
import math
import operator
import os
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict

from streamfer.app.config import RunConfig
from streamfer.app.config_fields import (
    BackboneName,
    Backend,
    DetectorName,
    DropPolicy,
    Faces,
    Precision,
    Show,
)
from streamfer.errors import ConfigError
from streamfer.labels import LabelSet
from streamfer.media.subtitles.wording import Language
from streamfer.vision.heads.head import FaceHead

_MEANINGLESS = {
    "web": "the live page belongs to the program; see streamfer run --web",
    "web_tls": "the live page belongs to the program; see streamfer run --web",
    "web_sources": "the live page belongs to the program; see streamfer run --web",
    "cluster": "a cluster is the program's; see streamfer run --cluster",
    "cpus_per_worker": "a cluster is the program's; see streamfer run --cluster",
    "gpu_share": "a cluster is the program's; see streamfer run --cluster",
    "streams_per_worker": "a cluster is the program's; see streamfer run --cluster",
    "display": "a library opens no window; give a sink that shows the frames",
    "quiet": "a library prints nothing",
    "log_level": "set the level of logging.getLogger('streamfer')",
}
"""Options of the program that mean nothing in a library, and what to do instead."""


class RunOptions(TypedDict, total=False):
    """Every option of `streamfer run` that has a meaning in Python; see `streamfer run --help`."""

    output: str | Path | None
    records: str | Path | None
    latents: str | Path | None
    subtitles: str | Path | None
    embed_subtitles: bool
    language: Language
    speaker: str | Sequence[str]
    faces: Faces
    show: Show
    segment: float | None
    snapshot_every: float | None
    snapshot_dir: str | Path
    json_summary: str | Path | None
    encoder: str
    crf: int
    preset: str | None
    skip_existing: bool
    save_config: str | Path | None
    detector: DetectorName
    detect_every: int | Literal["auto"]
    detect_size: int | Literal["auto"]
    min_face: int
    face_model: str
    backbone: BackboneName
    label_set: LabelSet
    heads: str | Sequence[FaceHead]
    baseline: float | Literal["auto"] | None
    events: bool
    event: str | Sequence[str]
    webhook: str | None
    webhook_key: str | Path | None
    mqtt: str | None
    clips: str | Path | None
    clip_before: float
    clip_after: float
    lsl: bool
    refine: bool
    refine_every: float
    refine_steps: int
    backend: Backend
    device: str
    precision: Precision
    threads: int
    cpu_budget: float | None
    max_frames: int | None
    start: float
    duration: float | None
    loop: int
    realtime: bool
    drop: DropPolicy
    concurrent_files: int
    shard: str | None
    max_reconnects: int | None
    rtsp_transport: Literal["tcp", "udp"]
    hwaccel: str | None
    tls_verify: bool
    tls_ca: str | Path | None
    metrics: str | None


def config_from_options(options: Mapping[str, Any], base: RunConfig | None = None) -> RunConfig:
    """A configuration from keyword arguments.

    Args:
        options: by name; text is read as the command line reads it, so `"5"` is a number too.
        base: what holds where nothing is said; None for the defaults, without a window.

    Raises:
        ConfigError: a name is unknown (the nearest known one is named) or means nothing in a
            library, or a value is of the wrong type or out of range.
    """
    hints = typing.get_type_hints(RunConfig)
    values: dict[str, Any] = {}
    for name, value in options.items():
        if name in _MEANINGLESS:
            raise ConfigError(f"{name}: {_MEANINGLESS[name]}")
        if name not in RunOptions.__annotations__:
            close = difflib.get_close_matches(name, RunOptions.__annotations__, n=1)
            meant = f"; did you mean {close[0]!r}?" if close else ""
            raise ConfigError(f"unknown option {name!r}{meant}")
        values[name] = _coerced(name, value, hints[name])
    base = base or RunConfig(display=False, quiet=True)
    return dataclasses.replace(base, **values)


def without_own_heads(options: Mapping[str, Any]) -> tuple[dict[str, Any], Sequence[FaceHead]]:
    """Takes heads of the caller's out of the options; beside them, all of the program's answer.

    Raises:
        ConfigError: there are names beside them.
    """
    heads = options.get("heads", "all")
    if isinstance(heads, str):
        return dict(options), ()
    names = [head for head in heads if isinstance(head, str)]
    if names and len(names) < len(heads):
        raise ConfigError(f"heads: names or heads of one's own, not both; got {', '.join(names)}")
    if names:
        return {**options, "heads": ",".join(names)}, ()
    return {**options, "heads": "all"}, tuple(heads)


def _coerced(name: str, value: Any, kind: Any) -> Any:
    """A value as the field's type wants it."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        if value is None:
            return None
        kind = next(part for part in typing.get_args(kind) if part is not type(None))
    if typing.get_origin(kind) is Literal:
        choices = typing.get_args(kind)
        if value in choices:
            return value
        raise ConfigError(f"{name}: expected one of {', '.join(choices)}, got {value!r}")
    convert, expected = _CONVERSIONS[kind]
    try:
        return convert(value)
    except (TypeError, ValueError, OverflowError):
        raise ConfigError(f"{name}: expected {expected}, got {value!r}") from None


def _to_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise TypeError


def _to_int(value: Any) -> int:
    if isinstance(value, bool):
        raise TypeError
    return int(value) if isinstance(value, str) else operator.index(value)


def _to_float(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        value = getattr(value, "item", lambda: None)()  # a number of numpy's
        if isinstance(value, bool):
            raise TypeError
    number = float(value)
    if math.isnan(number):
        raise ValueError
    return number


def _to_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return str(value)  # baseline=2.5
    return str(_to_int(value))  # detect_every=5


def _to_texts(value: Any) -> tuple[str, ...]:
    texts = (value,) if isinstance(value, str) else tuple(value)
    if not all(isinstance(text, str) for text in texts):
        raise TypeError
    return texts


def _to_path(value: Any) -> Path:
    return Path(os.fspath(value)).expanduser()


_CONVERSIONS: dict[Any, tuple[Any, str]] = {
    bool: (_to_bool, "True or False"),
    int: (_to_int, "a whole number"),
    float: (_to_float, "a number"),
    str: (_to_text, "text"),
    Path: (_to_path, "a path"),
    tuple[str, ...]: (_to_texts, "a text or several"),
}
