"""Inputs and outputs that the program refuses, with its own words."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np

from streamfer.app.cli.main import main
from tests.support.clips import ClipSpec, make_clip


def refusals(folder: Path) -> Iterator[tuple[str, str, int]]:
    """What it is, what the program says of it on stderr, and the exit code."""
    clip = make_clip(folder / "talk.mp4", ClipSpec(frames=6))
    content = clip.read_bytes()
    index = make_clip(folder / "index.avi", ClipSpec(frames=6, codec="mpeg4")).read_bytes()
    kinds: dict[str, tuple[str, Callable[[Path], object]]] = {
        "nothing of that name": ("tlak.mp4", lambda path: None),
        "an empty file": ("empty.mp4", lambda path: path.write_bytes(b"")),
        "a folder without videos": ("clips", lambda path: path.mkdir()),
        "a text": ("notes.mp4", lambda path: path.write_text("not a video\n" * 99)),
        "an MP4 cut off before its index": (
            "cut.mp4",
            lambda path: path.write_bytes(content[:900]),
        ),
        "a file cut off in its first frame": (
            "cut.avi",
            lambda path: path.write_bytes(index[:4000]),
        ),
        "sound alone": ("song.wav", _write_sound),
        "a local playlist": (
            "list.m3u8",
            lambda path: path.write_text("#EXTM3U\n#EXTINF:1,\ntalk.ts\n"),
        ),
        "a drawing (SVG)": (
            "drawing.svg",
            lambda path: path.write_text('<svg xmlns="http://www.w3.org/2000/svg"/>'),
        ),
    }
    for kind, (name, write) in kinds.items():
        path = folder / name
        write(path)
        yield (kind, *_said(folder, str(path)))
    yield ("an address of a kind that is not read", *_said(folder, "ftp://example.org/a.mp4"))
    for suffix in (".avi", ".webm", ".txt"):
        output = folder / f"out{suffix}"
        yield (f"`--output out{suffix}`", *_said(folder, str(clip), "--output", str(output)))
    yield ("an input as its own output", *_said(folder, str(clip), "--output", str(clip)))


def _write_sound(path: Path) -> None:
    with av.open(path, "w") as output:
        stream = output.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        frame.sample_rate = 8000
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def _said(folder: Path, *arguments: str) -> tuple[str, int]:
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        code = main(["run", *arguments, "--quiet", "--no-display", "--no-refine"])
    lines = [line for line in said.getvalue().splitlines() if line.startswith("error: ")]
    words = lines[0].removeprefix("error: ") if lines else "nothing"
    return words.replace(f"{folder}{os.sep}", "").replace(str(folder), "."), code
