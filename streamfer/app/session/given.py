"""From what a Python program gives as sources to specifications: paths, cameras, pictures, …"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from streamfer.app.session.sources import MakeSource
from streamfer.errors import ConfigError
from streamfer.media.sources.arrays import ArraySource
from streamfer.media.sources.file import FileSource
from streamfer.media.sources.kinds import SourceKind
from streamfer.media.sources.playback import PlaybackOptions
from streamfer.media.sources.source import PendingFrame, Source
from streamfer.media.sources.source_list import SourceSpec, expand_sources, with_unique_names
from streamfer.types import Frame

_PICTURES = "pictures"
"""Name of a stream of pictures where none is given."""


def given_sources(
    sources: Sequence[Any], name: str | None, frame_rate: float
) -> tuple[list[SourceSpec], dict[str, MakeSource]]:
    """What to open for the arguments of `analyze`.

    Args:
        sources: paths, URLs and the like as text; `Path`s; camera numbers; a picture, (H, W, 3)
            uint8 RGB or (H, W) uint8; iterables of pictures or of (seconds, picture); own sources.
        name: of the stream, where there is one source only; None derives it.
        frame_rate: frames/s of pictures that come without times.

    Returns:
        The sources, uniquely named, and by name what makes the caller's own.

    Raises:
        ConfigError: there is none, one is nothing that can be analysed, or a name is given for
            several.
        SourceError: nothing of what is named exists.
    """
    if not sources:
        raise ConfigError("no source given: name a file, a camera, a URL, or give pictures")
    specs: list[SourceSpec] = []
    makers: list[MakeSource | None] = []
    for source in sources:
        if (text := _as_text(source)) is not None:
            found = expand_sources([text])
            specs += found
            makers += [None] * len(found)
        else:
            maker = _maker(source, frame_rate)
            specs.append(SourceSpec(SourceKind.OWN, _own_name(source), _PICTURES))
            makers.append(maker)
    if name is not None:
        if len(specs) != 1:
            raise ConfigError(f"name={name!r}: there are {len(specs)} sources to name")
        specs = [replace(specs[0], name=name)]
    specs = with_unique_names(specs)
    own = {s.name: maker for s, maker in zip(specs, makers, strict=True) if maker is not None}
    return specs, own


def given_picture(picture: Any) -> Frame:
    """One picture as a frame of a stream of its own.

    Args:
        picture: (H, W, 3) uint8 RGB or (H, W) uint8 gray, or the path of a file, of which the first
            frame is read.

    Raises:
        ConfigError: it is neither.
        SourceError: the file cannot be read, or the array is no picture.
    """
    playback = PlaybackOptions(max_frames=1)
    source: Source
    if isinstance(picture, np.ndarray):
        source = ArraySource([picture], "picture", options=playback)
    else:
        text = _as_text(picture) if not isinstance(picture, int) else None
        specs = [] if text is None else expand_sources([text])
        if len(specs) != 1 or specs[0].kind is not SourceKind.FILE:
            raise ConfigError(f"expected a picture or the path of one file, got {picture!r}")
        source = FileSource(specs[0].path, specs[0].name, playback)
    with closing(source):
        source.open()
        item = next(iter(source.frames()))
    assert isinstance(item, PendingFrame), "files and arrays give nothing else"
    return item.to_frame(source.name, 0)


def _as_text(source: Any) -> str | None:
    """What the command line would be given; None where it could not be."""
    if isinstance(source, str):
        return source
    if isinstance(source, int) and not isinstance(source, bool):
        return str(source)
    if isinstance(source, os.PathLike):
        path = Path(os.fspath(source)).expanduser()
        # A path is a path, whatever its name would mean on the command line.
        return str(path) if path.is_absolute() else os.path.join(os.curdir, path)
    return None


def _own_name(source: Any) -> str:
    name = getattr(source, "name", None)
    return name if isinstance(name, str) and name else _PICTURES


def _maker(source: Any, frame_rate: float) -> MakeSource:
    if all(callable(getattr(source, method, None)) for method in ("open", "frames", "close")):
        return lambda name, playback: _own_source(source, playback)
    if isinstance(source, np.ndarray) and (source.ndim == 2 or source.shape[2:] == (3,)):
        source = [source]
    if isinstance(source, Iterable) and not isinstance(source, bytes | bytearray | dict):
        pictures: Iterable[Any] = source
        ArraySource(pictures, _PICTURES, frame_rate)  # complains now of what is wrong
        return lambda name, playback: ArraySource(pictures, name, frame_rate, playback)
    raise ConfigError(
        "a source is a path, a URL, a camera number, a picture, an iterable of pictures or a"
        f" Source; got {type(source).__name__}"
    )


def _own_source(source: Source, playback: PlaybackOptions) -> Source:
    if playback != PlaybackOptions():
        raise ConfigError("start, duration, loop and realtime cannot go with a Source of one's own")
    return source
