"""What `--log-level info` tells of a run that goes well, and what a file played live keeps."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.clips import ClipSpec, make_clip
from tests.support.program import streamfer
from tests.support.written import audio_packets


def test_a_run_is_told_from_its_beginning_to_its_end(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    clip = make_clip(tmp_path / "talk.mp4", ClipSpec(frames=30))
    output = tmp_path / "out.mp4"
    options = ("--quiet", "--no-display", "--no-refine", "--segment", 1, "--output", output)
    ended = streamfer(capfd, "run", clip, *options, "--log-level", "info")
    assert ended.code == 0
    said = [re.sub(r"^\S+ \S+ INFO ", "", line) for line in ended.err.splitlines()]
    kinds = (
        r"faces are read by \w+ on cpu in \w+",
        r"talk: begins, 96 × 64 px, 25 frames/s",
        r".*/out\.mp4: begun",
        r".*/out\.1\.mp4: begun",
        r"done: 30 frames, 0 dropped",
    )
    places = [next(i for i, s in enumerate(said) if re.fullmatch(kind, s)) for kind in kinds]
    assert places == sorted(places)
    assert "talk: no more frames" in said
    assert streamfer(capfd, "run", clip, *options).err == ""


def test_a_file_played_live_keeps_its_sound(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    clip = make_clip(tmp_path / "talk.mp4", ClipSpec(frames=12, audio="aac"))
    output = tmp_path / "out.mp4"
    options = ("--quiet", "--no-display", "--no-refine", "--realtime", "--drop", "never")
    ended = streamfer(capfd, "run", clip, *options, "--output", output)
    assert ended.code == 0
    assert [content for _, content in audio_packets(output)] == [
        content for _, content in audio_packets(clip)
    ]
