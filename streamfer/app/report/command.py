"""`streamfer report`: from records to a page that opens from disk."""

from __future__ import annotations

import base64
import os
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import cv2
import numpy as np
import orjson

from streamfer.app.report.bundle import as_script, page, script
from streamfer.app.report.digest import BIN_BYTES, OVERVIEW_HZ, TrackDigest
from streamfer.app.report.faces import reading
from streamfer.app.report.moments import Moment
from streamfer.app.report.quality import Measures, quality, read_measures
from streamfer.app.report.recording import CHUNK_S, Recording, read_recordings
from streamfer.errors import ConfigError, OutputError, SourceError
from streamfer.media.files.claims import OutputClaims
from streamfer.media.files.output_file import write_whole
from streamfer.media.records.reader import read_records
from streamfer.media.video.stills import frame_times, is_seekable, read_stills, remux
from streamfer.types import UInt8Array

_THUMBNAIL_PX = 112
_PLAYED = (".mp4", ".webm", ".m4v", ".mov")
"""Containers that browsers play."""


@dataclass(frozen=True, slots=True)
class ReportConfig:
    """What a report is made of and where it goes."""

    records: tuple[Path, ...]
    videos: tuple[Path, ...] = ()
    """Of the first streams, in their order; of others the file that the records name, if there."""
    out: Path = Path("report")
    single_file: bool = False
    verify: bool = False
    """Whether to hold the records against the video, frame by frame."""
    measures: Path | None = None
    """What `streamfer measure --json` has found between faces."""


def write_report(config: ReportConfig) -> Path:
    """Writes a report.

    Returns:
        The page.

    Raises:
        ConfigError: there are no records, or a video is not the one that was analysed.
        OutputError: it cannot be written.
        SourceError: records or a video cannot be read.
    """
    return _Report(config).write()


class _Report:
    """A report in the making."""

    def __init__(self, config: ReportConfig) -> None:
        self._config = config
        inputs = [*config.records, *config.videos, *filter(None, [config.measures])]
        self._claims = OutputClaims(inputs)
        self._measures = Measures() if config.measures is None else read_measures(config.measures)
        self._inline: list[str] = []
        self._recordings: list[dict[str, Any]] = []

    def write(self) -> Path:
        config = self._config
        for path in config.records:
            self._add_records(path)
        if not self._recordings:
            raise ConfigError(f"{config.records[0]}: no frames in it; nothing to report")
        if len(config.videos) > len(self._recordings):
            raise ConfigError(
                f"--video {config.videos[len(self._recordings)]}: the records have"
                f" {len(self._recordings)} streams; give at most one video for each"
            )
        title = ", ".join(each["stream"] for each in self._recordings[:3])
        data = f"const DATA = {as_script(self._data())};\n"
        if config.single_file:
            self._put(self._page, page(title, [data, *self._inline, script()]))
            return self._page
        self._put(config.out / "data.js", data)
        self._put(config.out / "report.js", script())
        self._put(self._page, page(title, None))
        return self._page

    @property
    def _page(self) -> Path:
        """With `--single-file` the user may name the file itself."""
        out = self._config.out
        return out if self._config.single_file and out.suffix == ".html" else out / "index.html"

    def _data(self) -> dict[str, Any]:
        return {
            "hz": OVERVIEW_HZ,
            "binBytes": BIN_BYTES,
            "chunkS": CHUNK_S,
            "recordings": self._recordings,
        }

    def _add_records(self, path: Path) -> None:
        records = read_records(path, segments=True)
        base = len(self._recordings)
        places: dict[str, int] = {}

        def write_chunk(stream: str, number: int, frames: list[Any]) -> None:
            place = places.setdefault(stream, base + len(places))
            numbers = orjson.dumps(frames).decode()  # four times as fast as `as_script`
            text = f"(window.CHUNKS ??= {{}})['{place}-{number}'] = {numbers};\n"
            if self._config.single_file:
                self._inline.append(text)
            else:
                self._put(self._config.out / "data" / f"{place}-{number}.js", text)

        with reading(path):
            found = read_recordings(records.header, records.frames, write_chunk)
        for recording in sorted(found, key=lambda each: places[each.stream]):
            entry = self._entry(recording, path)
            entry["models"] = records.header.get("models")
            entry["backend"] = records.header.get("backend")
            entry["labelSet"] = records.header.get("label_set")
            entry["events"] = [
                event for event in records.events if event.get("stream") == recording.stream
            ]
            self._recordings.append(entry)

    def _entry(self, recording: Recording, path: Path) -> dict[str, Any]:
        number = len(self._recordings)
        video, note = self._video_of(recording, path, number)
        moments = recording.finder.moments()
        pictures = _Pictures(video)
        pictures.read(
            [(m.time_s, m.box) for m in moments]
            + [t.best[1:] for t in recording.tracks.values() if t.best is not None]
        )
        return {
            "records": path.name,
            "stream": recording.stream,
            "source": recording.source,
            "width": recording.width,
            "height": recording.height,
            "frames": recording.frames,
            "dropped": recording.dropped,
            "lastFrame": recording.last_frame,
            "lastS": recording.last_s,
            "chunks": recording.chunks,
            "video": None if video is None else self._place_video(video, number),
            "note": note,
            "quality": quality(recording, path, video, self._config.verify),
            "pairs": self._measures.pairs(path, recording.stream),
            "moments": [_moment(m, pictures) for m in moments],
            "tracks": [_track(t, pictures) for t in recording.tracks.values()],
        }

    def _video_of(
        self, recording: Recording, records: Path, number: int
    ) -> tuple[Path | None, str | None]:
        """The video of a recording, or None and why there is none."""
        given = self._config.videos[number : number + 1]
        if given:
            difference = recording.difference(frame_times(given[0]))
            if difference:
                raise ConfigError(
                    f"--video {given[0]}: not the video of these records: {difference}"
                )
            return given[0], None
        for path in (Path(recording.source), records.parent / Path(recording.source).name):
            if recording.source and os.path.isfile(path):
                try:
                    difference = recording.difference(frame_times(path))
                except SourceError as error:
                    return None, str(error)
                note = difference and f"{path.name} is not the video of these records: {difference}"
                if difference:
                    return None, note
                self._claims.add_inputs([path])  # the report must not write over it
                return path, None
        return None, "The records' video is not here: --video FILE shows it."

    def _place_video(self, video: Path, number: int) -> str:
        """Where the page finds a video."""
        folder = self._page.parent
        playable = video.suffix.lower() in _PLAYED and (
            video.suffix.lower() == ".webm" or is_seekable(video)
        )
        if self._config.single_file:
            kind = "webm" if video.suffix.lower() == ".webm" else "mp4"
            content = video.read_bytes() if playable else _remuxed(video)
            return f"data:video/{kind};base64,{base64.b64encode(content).decode()}"
        if not playable:
            folder.mkdir(parents=True, exist_ok=True)
            copy = folder / f"video-{number}.mp4"
            remux(video, self._claims.replace(copy))
            video = copy
        return quote(Path(os.path.relpath(video.resolve(), folder.resolve())).as_posix())

    def _put(self, path: Path, text: str) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self._claims.replace(path), text.encode())
        except OSError as error:
            raise OutputError(f"{path}: cannot write: {error.strerror or error}") from error


def _remuxed(video: Path) -> bytes:
    """The content of a video as browsers play it."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "video.mp4"
        remux(video, OutputClaims([video]).replace(copy))
        return copy.read_bytes()


class _Pictures:
    """Small pictures of faces, cut from a video; none without one."""

    def __init__(self, video: Path | None) -> None:
        self._video = video
        self._found: dict[tuple[float, tuple[float, ...]], str] = {}

    def read(self, wanted: Sequence[tuple[float, tuple[float, ...]]]) -> None:
        """Cuts out all that will be asked for, in one pass over the video."""
        if self._video is None:
            return
        ordered = sorted(wanted)
        with closing(read_stills(self._video, [time_s for time_s, _ in ordered])) as stills:
            for key, image in zip(ordered, stills, strict=False):
                self._found[key] = _thumbnail(image, key[1])

    def of(self, time_s: float, box: tuple[float, ...]) -> str | None:
        return self._found.get((time_s, box))


def _thumbnail(image: UInt8Array, box: tuple[float, ...]) -> str:
    """A square around a face as a `data:` address."""
    height, width = image.shape[:2]
    side = 1.4 * max(box[2] - box[0], box[3] - box[1], 2.0)
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    left, top = (int(min(max(c - side / 2, 0), s - 2)) for c, s in ((x, width), (y, height)))
    part = image[top : int(top + side) + 1, left : int(left + side) + 1]
    scale = _THUMBNAIL_PX / max(part.shape[:2])
    size = (max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale)))
    small = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    encoded = cv2.imencode(".jpg", np.ascontiguousarray(small[:, :, ::-1]))[1]
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode()


def _moment(moment: Moment, pictures: _Pictures) -> dict[str, Any]:
    return {
        "t": moment.time_s,
        "kind": moment.kind,
        "tracks": moment.tracks,
        "label": moment.label,
        "picture": pictures.of(moment.time_s, moment.box),
    }


def _track(track: TrackDigest, pictures: _Pictures) -> dict[str, Any]:
    first_bin, table = track.overview()
    return {
        "track": track.track,
        "first": track.first_s,
        "last": track.last_s,
        "frames": track.frames,
        "uncertain": track.uncertain,
        "labels": track.labels,
        "firstBin": first_bin,
        "bins": base64.b64encode(table.tobytes()).decode(),
        "picture": track.best and pictures.of(track.best[1], track.best[2]),
    }
