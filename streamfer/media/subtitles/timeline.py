"""One stream's cues and what a file of them has to say besides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from streamfer.errors import ConfigError, SourceError
from streamfer.media.records.reader import Records
from streamfer.media.subtitles.cues import Cue, CueBuilder, CueConfig
from streamfer.media.subtitles.wording import Wording

_USUAL_SIZE_WH = (640, 360)
"""Where the records don't know the picture's size."""
_USUAL_RATES = (24000 / 1001, 24, 25, 30000 / 1001, 30, 48, 50, 60000 / 1001, 60)
"""Frames/s that a measured rate is taken for where it is near."""
_RATE_TOLERANCE = 0.004
"""Fraction; the neighbours 24000/1001 and 24 are 0.001 apart, so the nearest is taken."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """Who showed which expression when, in one stream."""

    stream: str
    source: str
    size_wh: tuple[int, int]
    """Of the picture in px."""
    duration_s: float
    frame_rate: float
    """Frames/s, for formats that count frames."""
    cues: tuple[Cue, ...]
    """By their beginning."""
    wording: Wording

    @property
    def tracks(self) -> tuple[int, ...]:
        """Those that have cues."""
        return tuple(sorted({cue.track for cue in self.cues}))

    def text(self, cue: Cue) -> str:
        """What a cue says; of whom only where there are several or the user has named one."""
        if len(self.tracks) > 1 or self.wording.names:
            return self.wording.says(cue.track, cue.emotion)
        return self.wording.label(cue.emotion)

    def of_track(self, track: int) -> list[Cue]:
        """One track's cues."""
        return [cue for cue in self.cues if cue.track == track]


def read_timeline(
    records: Records,
    stream: str | None = None,
    wording: Wording | None = None,
    config: CueConfig | None = None,
) -> Timeline:
    """Makes the timeline of records, reading them once.

    Args:
        records: of one or several streams.
        stream: which of them; None where there is one.
        wording: what cues say.
        config: when an expression is worth a cue.

    Raises:
        ConfigError: there is no such stream, or several and none is named.
        SourceError: the records are damaged.
    """
    info = _entry(records.header, stream)
    name = str(info.get("stream"))
    builder = CueBuilder(config)
    clock = _Clock()
    cues: list[Cue] = []
    try:
        for record in records.frames:
            if record.get("stream") == name:
                clock.add(record)
                cues += builder.add(record)
        cues += builder.finish()
    except (KeyError, TypeError, ValueError) as error:
        raise SourceError(f"{name}: a record of it lacks something ({error!r})") from error
    if not clock.has_started and info not in _entries(records.header):
        raise ConfigError(_which(records.header, f"none is called {name!r}"))
    return Timeline(
        stream=name,
        source=str(info.get("source") or name),
        size_wh=_size_wh(info, name, records),
        duration_s=clock.duration_s,
        frame_rate=clock.frame_rate,
        cues=tuple(sorted(cues, key=lambda cue: (cue.start_s, cue.track))),
        wording=wording or Wording(),
    )


class _Clock:
    """Length and frame rate of a stream, from its records."""

    def __init__(self) -> None:
        self._first: tuple[int, float] | None = None
        self._last = (0, 0.0)

    def add(self, record: Mapping[str, Any]) -> None:
        self._last = (int(record["frame"]), float(record["time_s"]))
        self._first = self._first or self._last

    @property
    def has_started(self) -> bool:
        return self._first is not None

    @property
    def frame_rate(self) -> float:
        first = self._first or self._last
        frames, seconds = self._last[0] - first[0], self._last[1] - first[1]
        if frames <= 0 or seconds <= 0:
            return 25.0
        measured = frames / seconds
        nearest = min(_USUAL_RATES, key=lambda rate: abs(rate - measured))
        return nearest if abs(nearest / measured - 1) <= _RATE_TOLERANCE else measured

    @property
    def duration_s(self) -> float:
        return self._last[1] + 1 / self.frame_rate


def _entry(header: Mapping[str, Any], stream: str | None) -> Mapping[str, Any]:
    """What the header says of a stream; one that joined the run later is not in it."""
    streams = _entries(header)
    if stream is None and len(streams) == 1:
        return streams[0]
    if not streams:
        raise ConfigError("the records' header names no stream")
    if stream is None:
        raise ConfigError(_which(header, "name one with --stream"))
    return next((entry for entry in streams if entry.get("stream") == stream), {"stream": stream})


def _entries(header: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    entries: Sequence[Any] = header.get("streams") or ()
    return [entry for entry in entries if isinstance(entry, dict)]


def _which(header: Mapping[str, Any], asked: str) -> str:
    names = [str(entry.get("stream")) for entry in _entries(header)]
    return f"the records are of {len(names)} streams, {', '.join(names)}; {asked}"


def _size_wh(info: Mapping[str, Any], name: str, records: Records) -> tuple[int, int]:
    """A camera's size is not in the header, but in the event of its opening."""
    opened: Iterable[Mapping[str, Any]] = (
        event for event in records.events if event.get("stream") == name
    )
    for said in (info, *opened):
        if said.get("width") and said.get("height"):
            return int(said["width"]), int(said["height"])
    return _USUAL_SIZE_WH
