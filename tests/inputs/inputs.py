"""Writes docs/inputs.md: `python -m tests.inputs.inputs`, or `make inputs`.

Every kind of file that FFmpeg and Pillow make here is made, read and written again.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import av
import PIL
from rich.console import Console

from streamfer.errors import ConfigError
from streamfer.media.video.container import CONTAINERS
from streamfer.media.video.encoder import VideoConfig, check_encoder
from tests.inputs import making
from tests.inputs.refusals import refusals
from tests.inputs.trying import Tried, tried
from tests.support.clips import ClipSpec, make_clip

WRITTEN_ENCODERS = ("libx264", "libx265", "libsvtav1")
YES, CANNOT = "yes", "·"


class Notes:
    """Numbers what there is to say, each thing once."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def mark(self, text: str) -> str:
        """The mark in a table that leads to the text."""
        return f"[{self._numbers.setdefault(text, len(self._numbers) + 1)}]"

    def lines(self) -> list[str]:
        """The texts with their marks."""
        return [f"- [{number}] {text}" for text, number in self._numbers.items()]


def table(title: str, columns: Sequence[str], rows: Iterable[tuple[str, Sequence[str]]]) -> str:
    """A Markdown table; rows without any file are left out."""
    lines = [f"| {title} | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    lines += [
        f"| {name} | {' | '.join(cells)} |"
        for name, cells in rows
        if any(cell != CANNOT for cell in cells)
    ]
    return "\n".join(lines)


def _cell(result: Tried, notes: Notes) -> str:
    return YES if result.problem is None else f"no {notes.mark(result.problem)}"


def videos(folder: Path, codecs: Sequence[str], suffixes: Sequence[str], notes: Notes) -> str:
    """Which codecs are read in which containers."""

    def cell(codec: str, suffix: str) -> str:
        path = folder / f"input{suffix}"
        if not making.has_encoder(codec) or not making.make_video(path, codec):
            return CANNOT
        return _cell(tried(path, folder / "out.mp4", making.FRAMES), notes)

    def rows() -> Iterable[tuple[str, list[str]]]:
        for codec in codecs:
            cells = [cell(codec, suffix) for suffix in suffixes]
            raw = making.RAW.get(codec)
            cells.append(f"{cell(codec, raw)} ({raw})" if raw else CANNOT)
            yield codec, cells

    return table("codec", [*suffixes, "alone"], rows())


def sounds(folder: Path, codecs: Sequence[str], notes: Notes) -> str:
    """What becomes of which sound in the videos that are written."""

    def rows() -> Iterable[tuple[str, list[str]]]:
        for codec in codecs:
            for layout in ("mono", "stereo"):
                path = making.make_sound(folder, codec, layout)
                if path is None:
                    continue
                cells = [_sound_cell(path, folder / f"out{s}", notes) for s in CONTAINERS]
                yield f"{codec}, {layout} ({path.suffix})", cells
                path.unlink()

    return table("sound", list(CONTAINERS), rows())


def _sound_cell(path: Path, output: Path, notes: Notes) -> str:
    result = tried(path, output, None)
    if result.problem is not None:
        return f"no {notes.mark(result.problem)}"
    if any(note.startswith("sound made AAC") for note in result.notes):
        return "made AAC"
    return "copied" if not result.notes else f"copied {notes.mark(result.notes[0])}"


def pixel_formats(folder: Path, formats: Sequence[str], notes: Notes) -> str:
    """Which pixel formats are read, uncompressed and from FFV1."""

    def cell(codec: str, pix_fmt: str) -> str:
        path = folder / "input.nut"
        if not making.make_video(path, codec, pix_fmt):
            return CANNOT
        return _cell(tried(path, folder / "out.mp4", making.FRAMES), notes)

    codecs = ("rawvideo", "ffv1")
    return table("pixels", codecs, ((f, [cell(c, f) for c in codecs]) for f in formats))


def stills(folder: Path, notes: Notes) -> str:
    """Which pictures are read."""
    found: dict[str, dict[str, str]] = {}
    for suffix, mode, path in making.still_pictures(folder):
        column = mode if mode in making.STILL_MODES else "other"
        result = _cell(tried(path, folder / "out.mp4", None), notes)
        found.setdefault(suffix, {})[column] = result if column == mode else f"{result} ({mode})"
        path.unlink()
    columns = [*making.STILL_MODES, "other"]
    rows = (
        (kind, [cells.get(column, CANNOT) for column in columns]) for kind, cells in found.items()
    )
    return table("picture", columns, rows)


def written(folder: Path, notes: Notes) -> str:
    """Which encoders write which containers."""
    clip = make_clip(folder / "input.mp4", ClipSpec(frames=making.FRAMES, audio="aac"))

    def cell(encoder: str, suffix: str) -> str:
        if not making.has_encoder(encoder):
            return CANNOT
        config = VideoConfig(encoder=encoder)
        try:
            check_encoder(config, suffix)
        except ConfigError as error:
            return f"no {notes.mark(str(error))}"
        return _cell(tried(clip, folder / f"out{suffix}", making.FRAMES, config), notes)

    rows = ((encoder, [cell(encoder, s) for s in CONTAINERS]) for encoder in WRITTEN_ENCODERS)
    return table("encoder", list(CONTAINERS), rows)


HEAD = """# What is read and written

Made by `make inputs` with FFmpeg {ffmpeg} (PyAV {pyav}) and Pillow {pillow}: every file of the
kinds below that these can make, and can read again, was made, read by the program's file source,
written by what `--output` uses, and held against the input as `streamfer verify` does. `yes`: every
frame, at its time, with all its sound; `no`: the note says what the program says; `·`: no such file
can be made here. What FFmpeg reads but cannot make (RealVideo 3 and 4, VC-1, VVC, DTS and many
more) was not tried.
"""


def document(folder: Path, say: Callable[[str], None]) -> str:
    """The whole of docs/inputs.md."""
    notes = Notes()
    parts = [
        HEAD.format(ffmpeg=av.ffmpeg_version_info, pyav=av.__version__, pillow=PIL.__version__)
    ]
    tables = {
        "Videos that are read": lambda: videos(
            folder, making.VIDEO_CODECS, making.VIDEO_SUFFIXES, notes
        ),
        "Pixel formats that are read": lambda: pixel_formats(folder, making.PIXEL_FORMATS, notes),
        "Pictures that are read": lambda: stills(folder, notes),
        "Sound in annotated videos": lambda: sounds(folder, making.SOUND_CODECS, notes),
        "Videos that are written": lambda: written(folder, notes),
    }
    for title, make in tables.items():
        say(title)
        parts.append(f"## {title}\n\n{make()}\n")
    if notes.lines():
        parts.append("## Notes\n\n" + "\n".join(notes.lines()) + "\n")
    say("refusals")
    refused = [f"| {kind} | `{message}` | {code} |" for kind, message, code in refusals(folder)]
    heading = "| input | what `streamfer run` says | exit code |\n|---|---|---|\n"
    parts.append("## What is refused, and why\n\n" + heading + "\n".join(refused) + "\n")
    return "\n".join(parts)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.inputs.inputs", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/inputs.md"))
    options = parser.parse_args(arguments)
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory() as folder:
        options.out.write_text(document(Path(folder), console.print), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
