"""Finds moments in recorded latents, and says where they are."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from streamfer.app.report.find.options import FindConfig
from streamfer.app.report.find.search import (
    Moment,
    Space,
    expression_space,
    nearest,
    whole_space,
)
from streamfer.app.report.recording import TIME_TOLERANCE_S
from streamfer.app.session.outputs import write_text
from streamfer.app.session.session import Session
from streamfer.errors import ConfigError, OutputError, SourceError
from streamfer.labels import LABELS
from streamfer.media.files.claims import OutputClaims
from streamfer.media.records.latent_reader import LatentFile
from streamfer.media.video.stills import Seconds, frame_times, read_stills
from streamfer.models.directions import load_directions
from streamfer.types import FaceResult, FloatArray, UInt8Array
from streamfer.vision.overlay.sheet import write_png

SCHEMA = "streamfer.found/1"
WARNING = (
    "latents, and what is found by them, are biometric data: use them with the consent of those"
    " who are to be seen"
)
_PLACE = re.compile(r"(?:(?P<stream>.+):)?(?P<track>\d+)@(?P<time>\d+(?:\.\d+)?)")
_THUMBNAIL_PX = 480
"""Long side of the pictures."""
_NEAR_S = 0.5
"""How far from the time that is asked for a face may be seen, in seconds."""


def find(config: FindConfig) -> int:
    """Says which moments are nearest, and saves a picture of each where a video is given.

    Returns:
        The exit code, 0.

    Raises:
        ConfigError: options that cannot be.
        SourceError: a file cannot be read, holds no latents or no such face.
        EngineError: the directions or a network are missing or broken.
        OutputError: a result cannot be written.
    """
    _check(config)
    print(f"streamfer: {WARNING}", file=sys.stderr)
    videos = _videos(config.video)
    is_place = config.like is not None and not os.path.exists(config.like)
    pictures = [Path(config.like)] if config.like is not None and not is_place else []
    claims = OutputClaims([config.latents, *videos.values(), *pictures])
    if config.json is not None:
        claims.name("--json", config.json)
    with closing(LatentFile(config.latents)) as file:
        _refuse_unknown(videos, file)
        space = _space(config, file)
        like = None
        if config.like is not None:
            like = _at(file, config.like) if is_place else _of_picture(file, Path(config.like))
        moments = nearest(file.rows(), space, like, config.count, config.apart)
    _refuse_other_videos(videos, moments)
    pictures_of = _save_pictures(moments, videos, config.out, claims)
    found = [_entry(moment, like is None, pictures_of.get(moment)) for moment in moments]
    for number, entry in enumerate(found, start=1):
        print(_line(number, entry))
    if not found:
        print("no face is in the latents")
    if config.json is not None:
        answer = {
            "schema": SCHEMA,
            "latents": str(config.latents),
            "like": config.like,
            "emotion": config.emotion,
            "by": config.by,
            "moments": found,
        }
        write_text(claims.replace(config.json), json.dumps(answer, indent=1) + "\n")
    return 0


def _check(config: FindConfig) -> None:
    if config.like is None and config.emotion is None:
        raise ConfigError("name --like, --emotion, or both")
    if config.emotion is not None and config.emotion not in LABELS:
        raise ConfigError(f"--emotion: expected one of {', '.join(LABELS)}, got {config.emotion!r}")
    if config.emotion is not None and config.by == "whole":
        raise ConfigError("--by whole: has no --emotion; leave one of them out")


def _videos(texts: Sequence[str]) -> dict[str | None, Path]:
    """Files by stream; None for whatever has none of its own.

    Raises:
        ConfigError: one of them is no file, or a stream has two.
    """
    videos: dict[str | None, Path] = {}
    for text in texts:
        stream, _, name = text.rpartition("=")
        is_path = os.path.isfile(text)
        path, owner = (Path(text), None) if is_path else (Path(name), stream or None)
        if not os.path.isfile(path):
            raise ConfigError(f"--video {text}: there is no such file")
        if owner in videos:
            raise ConfigError(f"--video {text}: a second one; write STREAM=FILE for each")
        videos[owner] = path
    return videos


def _refuse_unknown(videos: Mapping[str | None, Path], file: LatentFile) -> None:
    """Refuses videos of streams that the latents know nothing of.

    Raises:
        ConfigError: there is one.
    """
    named = {name for name in videos if name is not None}
    if named:
        known = file.streams()
        for name in sorted(named.difference(known)):
            raise ConfigError(f"--video {name}=…: no such stream; known: {', '.join(known)}")


def _refuse_other_videos(videos: Mapping[str | None, Path], moments: Sequence[Moment]) -> None:
    """Refuses a video that has no frame where the latents have one.

    Raises:
        ConfigError: there is one.
    """
    times_of: dict[Path, Seconds] = {}
    for moment in moments:
        video = videos.get(moment.stream, videos.get(None))
        if video is None:
            continue
        if video not in times_of:
            times_of[video] = frame_times(video)
        away_s = np.abs(times_of[video] - moment.time_s)
        if away_s.min(initial=np.inf) > TIME_TOLERANCE_S:
            raise ConfigError(
                f"--video {video}: not the video of {moment.stream}: none of its frames stands at"
                f" {moment.time_s:.3f} s"
            )


def _space(config: FindConfig, file: LatentFile) -> Space:
    if config.by == "whole":
        return whole_space
    directions = load_directions(config.directions)
    return expression_space(directions, file.code_shape, config.emotion)


def _at(file: LatentFile, place: str) -> FloatArray:
    """The code of a track at a time.

    Raises:
        ConfigError: the place is none.
        SourceError: no face was there.
    """
    read = _PLACE.fullmatch(place)
    if read is None:
        raise ConfigError(f"--like {place}: is no picture, and no TRACK@TIME such as 3@12.5")
    track, time_s = int(read["track"]), float(read["time"])
    best: tuple[float, FloatArray] | None = None
    streams = set()
    for rows in file.rows():
        for row, stream in enumerate(rows.streams):
            if rows.tracks[row] != track or read["stream"] not in (None, stream):
                continue
            away_s = abs(float(rows.times_s[row]) - time_s)
            if away_s <= _NEAR_S:
                streams.add(stream)
                if best is None or away_s < best[0]:
                    best = (away_s, rows.codes[row].copy())
    if len(streams) > 1:
        names = ", ".join(sorted(streams))
        raise ConfigError(f"--like {place}: of {names} each; write STREAM:TRACK@TIME")
    if best is None:
        raise SourceError(f"--like {place}: {file.path} has no such face at that time")
    return best[1]


def _of_picture(file: LatentFile, path: Path) -> FloatArray:
    """The code of the largest face of a picture.

    Raises:
        ConfigError: the latents are of another generator than the shipped one.
        SourceError: the picture cannot be read, or no face is in it.
    """
    with Session(refine=False, heads="none") as session:
        faces = session.analyze_image(path).faces
    coded = [face for face in faces if face.latent is not None]
    if not coded:
        raise SourceError(f"--like {path}: no face was found in it")
    face = max(coded, key=_size)
    assert face.latent is not None
    if face.latent.shape != file.code_shape:
        raise ConfigError(
            f"--like {path}: a picture's code is of the shipped encoder; these latents are of"
            " another one: name a TRACK@TIME"
        )
    if len(coded) > 1:
        print(f"{path}: {len(coded)} faces; the largest is taken", file=sys.stderr)
    return face.latent.ravel()


def _size(face: FaceResult) -> float:
    left, top, right, bottom = face.detection.box_xyxy.tolist()
    return (right - left) * (bottom - top)


def _save_pictures(
    moments: Sequence[Moment], videos: dict[str | None, Path], out: Path, claims: OutputClaims
) -> dict[Moment, Path]:
    saved: dict[Moment, Path] = {}
    for stream in {moment.stream for moment in moments}:
        video = videos.get(stream, videos.get(None))
        if video is None:
            continue
        _make_folder(out)
        those = sorted((m for m in moments if m.stream == stream), key=lambda m: m.time_s)
        stills = read_stills(video, [m.time_s for m in those])
        for moment, picture in zip(those, stills, strict=False):  # a video may be shorter
            rank = moments.index(moment) + 1
            name = re.sub(r"[^\w.\- ]", "_", stream)
            path = out / f"{rank:03d}.{name}-{moment.track}-{moment.time_s:08.2f}.png"
            try:
                write_png(_thumbnail(picture), claims.replace(path))
            except OSError as error:
                raise OutputError(f"{path}: cannot write: {error.strerror or error}") from error
            saved[moment] = path
    return saved


def _thumbnail(picture: UInt8Array) -> UInt8Array:
    scale = min(_THUMBNAIL_PX / max(picture.shape[:2]), 1.0)
    height, width = (max(round(side * scale), 1) for side in picture.shape[:2])
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"--out {folder}: cannot make it: {error.strerror or error}") from error


def _entry(moment: Moment, by_strength: bool, picture: Path | None) -> dict[str, Any]:
    measure = {"strength": -moment.cost} if by_strength else {"distance": moment.cost}
    return {
        "stream": moment.stream,
        "track": moment.track,
        "frame": moment.frame,
        "time_s": moment.time_s,
        **{name: round(value, 4) for name, value in measure.items()},
        "picture": None if picture is None else str(picture),
    }


def _line(number: int, entry: dict[str, Any]) -> str:
    minutes, seconds = divmod(entry["time_s"], 60)
    measure = next(
        f"{name} {entry[name]:.2f}" for name in ("distance", "strength") if name in entry
    )
    shown = f"  {entry['picture']}" if entry["picture"] else ""
    return (
        f"{number:3d}. {entry['stream']}, track {entry['track']},"
        f" {minutes:.0f}:{seconds:05.2f} (frame {entry['frame']}): {measure}{shown}"
    )
