from __future__ import annotations

import pytest

from streamfer.app.config import RunConfig
from streamfer.app.session.outputs import video_config
from streamfer.media.video.encoder import VideoConfig
from streamfer.media.video.encoder_choice import (
    HARDWARE_ENCODERS,
    _encodes,
    best_encoder,
    first_working,
)


@pytest.mark.parametrize(
    ("working", "chosen"),
    [
        (set(), "libx264"),
        ({"h264_amf"}, "h264_amf"),
        ({"h264_amf", "h264_nvenc"}, "h264_nvenc"),
    ],
)
def test_the_first_that_works_is_taken(working: set[str], chosen: str) -> None:
    assert first_working(HARDWARE_ENCODERS, working.__contains__) == chosen


def test_what_is_tried_must_give_a_packet() -> None:
    assert _encodes("libx264")
    assert not _encodes("libx999")
    assert best_encoder() in ("libx264", *HARDWARE_ENCODERS)
    assert _encodes(best_encoder())


def test_auto_is_what_this_machine_encodes_with() -> None:
    config = RunConfig(source=("a.mp4",), encoder="auto", crf=30)
    assert video_config(config) == VideoConfig(best_encoder(), None, 30)
