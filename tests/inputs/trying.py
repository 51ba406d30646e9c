"""Reads a file as the program does, writes it as `--output` does, and holds both together."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from streamfer.errors import StreamferError
from streamfer.media.sources.file import FileSource
from streamfer.media.verify.outputs import verify_outputs
from streamfer.media.video.audio import AudioSpan
from streamfer.media.video.encoder import VideoConfig
from streamfer.media.video.writer import VideoWriter


@dataclass(frozen=True)
class Tried:
    """What came of one file."""

    frames: int
    problem: str | None
    """The program's words for what it refused, or the first difference; None where all is well."""
    notes: Sequence[str] = ()
    """What the summary of a run would say, such as that the sound was encoded again."""


def tried(path: Path, output: Path, frames: int | None, config: VideoConfig | None = None) -> Tried:
    """Plays a file into a video.

    Args:
        path: what to read.
        output: where to write; removed afterwards.
        frames: how many there should be; None where that is not known.
        config: of the encoder.
    """
    count = 0
    try:
        with closing(FileSource(path, "input")) as source:
            writer = VideoWriter(output, source.open(), config, AudioSpan(path))
            with closing(writer):
                for pending in source.frames():
                    frame = pending.to_frame("input", 0)
                    writer.write(frame, frame.image)
                    count += 1
        problem = next(iter(verify_outputs(path, output, None)), None)
    except StreamferError as error:
        return Tried(count, _without_folder(str(error), path, output))
    finally:
        output.unlink(missing_ok=True)
    if frames is not None and count != frames:
        problem = f"{count} of {frames} frames"
    return Tried(count, problem and _without_folder(problem, path, output), writer.notes)


def _without_folder(text: str, *paths: Path) -> str:
    for path in paths:
        text = text.replace(str(path), path.name)
    return " ".join(text.split())
