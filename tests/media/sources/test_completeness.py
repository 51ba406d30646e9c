from __future__ import annotations

import os
from pathlib import Path

import pytest

from streamfer.media.sources.completeness import missing_bytes
from tests.support.clips import ClipSpec, make_clip

FRAGMENTED = {"movflags": "frag_keyframe+empty_moov"}

PROMISING = {
    "a.mp4": ClipSpec(audio="aac"),
    "fragmented.mp4": ClipSpec(container_options=FRAGMENTED, options={"g": "4"}),
    "a.mov": ClipSpec(codec="prores_ks", pix_fmt="yuv422p10le"),
    "a.mkv": ClipSpec(),
    "a.webm": ClipSpec(codec="libvpx"),
    "a.avi": ClipSpec(codec="mpeg4"),
    "a.jpg": ClipSpec(frames=1, codec="mjpeg", pix_fmt="yuvj420p"),
    "a.png": ClipSpec(frames=1, codec="png", pix_fmt="rgb24"),
}
SILENT = {"a.ts": ClipSpec(), "a.flv": ClipSpec(), "a.gif": ClipSpec(codec="gif", pix_fmt="rgb8")}


@pytest.mark.parametrize(("name", "spec"), (PROMISING | SILENT).items())
def test_whole_files_lack_nothing(name: str, spec: ClipSpec, tmp_path: Path) -> None:
    assert missing_bytes(make_clip(tmp_path / name, spec)) == 0


@pytest.mark.parametrize(("name", "spec"), PROMISING.items())
@pytest.mark.parametrize("share", [0.5, 0.8])
def test_cut_files_lack_their_end(name: str, spec: ClipSpec, share: float, tmp_path: Path) -> None:
    path = make_clip(tmp_path / name, spec)
    whole = path.read_bytes()
    kept = int(len(whole) * share)
    path.write_bytes(whole[:kept])
    assert 0 < missing_bytes(path) <= len(whole) - kept


@pytest.mark.parametrize(("name", "spec"), SILENT.items())
def test_nothing_is_said_of_containers_that_promise_nothing(
    name: str, spec: ClipSpec, tmp_path: Path
) -> None:
    path = make_clip(tmp_path / name, spec)
    path.write_bytes(path.read_bytes()[:-50])
    assert missing_bytes(path) == 0


FTYP = b"\0\0\0\x10ftypisom\0\0\2\0"
EBML = b"\x1aE\xdf\xa3\x84\x42\x86\x81\x01"
JPEG = b"\xff\xd8\xff\xe1\0\x0a<\xff\xd8\xff\xd9>..\xff\xda\0\4..scan"
"""With a thumbnail that has an end mark of its own."""

BYTES = {
    "box to the end of the file": (FTYP + b"\0\0\0\0mdat" + b"x" * 9, 0),
    "large box": (FTYP + b"\0\0\0\1mdat" + (1016).to_bytes(8, "big") + b"x" * 16, 984),
    "appended bytes that are no box": (FTYP + b"\0\0\0\x08free" + b"SEFT1234 trailer", 0),
    "box of an impossible size": (FTYP + b"\0\0\0\3mdatxxxx", 0),
    "matroska of known size": (EBML + b"\x18S\x80g\x88" + b"x" * 3, 5),
    "live matroska": (EBML + b"\x18S\x80g\x01" + b"\xff" * 7 + b"x" * 3, 0),
    "matroska cut in its header": (EBML[:6], 0),
    "riff still being written": (b"RIFF\0\0\0\0AVI LIST", 0),
    "riff": (b"RIFF\x64\0\0\0AVI LIST", 92),
    "photo with something appended": (JPEG + b"\xff\xd9" + b"ftypmp42", 0),
    "photo cut in its thumbnail": (JPEG[:12], 2),
    "photo cut in its scan": (JPEG, 2),
    "no photo": (b"\xff\xd8\xff\xfe\0\2nonsense", 0),
    "sound": (b"RIFF\x64\0\0\0WAVEfmt ", 0),
    "nothing": (b"", 0),
}


@pytest.mark.parametrize(("content", "missing"), BYTES.values(), ids=BYTES.keys())
def test_bytes(content: bytes, missing: int, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert missing_bytes(path) == missing


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipe_is_left_alone(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert missing_bytes(tmp_path / "pipe") == 0


def test_file_that_vanished(tmp_path: Path) -> None:
    assert missing_bytes(tmp_path / "gone.mp4") == 0
