"""`streamfer sketch`: pictures and videos as pencil drawings."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
from rich.console import Console

from streamfer.errors import ConfigError, OutputError
from streamfer.media.files.claims import OutputClaims
from streamfer.media.sources.file import FileSource
from streamfer.media.sources.kinds import SourceKind
from streamfer.media.sources.source_list import SourceSpec, expand_sources
from streamfer.media.video.audio import AudioSpan
from streamfer.media.video.writer import VideoWriter
from streamfer.training.faces.sketch import SKETCH_KERNEL, pencil_sketch
from streamfer.types import Frame, UInt8Array
from streamfer.vision.align import FACE_SIZE
from streamfer.vision.overlay.sheet import write_png


def sketch(sources: list[str], out: Path, kernel: int | None, console: Console) -> int:
    """Writes NAME.png of each picture and NAME.mp4 of each video; returns the exit code.

    Args:
        sources: pictures, folders of them, videos.
        out: folder for the results, made if missing.
        kernel: side of the blur in pixels, odd; None: see `kernel_for`.
        console: told of each file.

    Raises:
        ConfigError: a source is no file.
        SourceError: a source cannot be read.
        OutputError: a result cannot be written.
    """
    specs = expand_sources(sources)
    if any(spec.kind is not SourceKind.FILE for spec in specs):
        raise ConfigError("sketch takes pictures, folders and videos")
    claims = OutputClaims(spec.path for spec in specs)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for spec in specs:
            path = _draw(spec, out, kernel, claims)
            console.print(str(path), markup=False, highlight=False, soft_wrap=True)
    except OSError as error:
        raise OutputError(f"{out}: cannot write: {error.strerror or error}") from error
    return 0


def kernel_for(width: int, height: int) -> int:
    """The side of the blur that suits a picture in which a face takes about a quarter of the
    shorter side: that of a face crop, relative to the face.

    Args:
        width: in pixels.
        height: in pixels.
    """
    scaled = round(SKETCH_KERNEL * min(width, height) / (4 * FACE_SIZE))
    return max(3, scaled | 1)


def _draw(spec: SourceSpec, out: Path, kernel: int | None, claims: OutputClaims) -> Path:
    with closing(FileSource(spec.path, spec.name)) as source:
        info = source.open()
        frames = _frames(source, spec.name)
        first, second = next(frames), next(frames, None)
        side = kernel or kernel_for(first.image.shape[1], first.image.shape[0])
        if second is None:
            path = out / f"{spec.name}.png"
            write_png(pencil_sketch(first.image, side), claims.replace(path))
            return path
        path = out / f"{spec.name}.mp4"
        with closing(VideoWriter(path, info, audio=AudioSpan(spec.path), claims=claims)) as writer:
            for frame in itertools.chain((first, second), frames):
                writer.write(frame, _drawn(frame, side))
    return path


def _drawn(frame: Frame, kernel: int) -> UInt8Array:
    return np.repeat(pencil_sketch(frame.image, kernel)[:, :, None], 3, axis=2)


def _frames(source: FileSource, name: str) -> Iterator[Frame]:
    for pending in source.frames():
        yield pending.to_frame(name, 0)
