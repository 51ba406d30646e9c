from __future__ import annotations

import pytest

from streamfer.app.config import RunConfig
from streamfer.app.session.search_notes import search_notes
from streamfer.types import StreamInfo


def stream(width: int | None, height: int | None) -> StreamInfo:
    return StreamInfo("talk", "talk.mp4", width, height, live=False)


def test_a_size_that_is_too_small_for_a_stream_is_said() -> None:
    (note,) = search_notes(RunConfig(detect_size="640"), [stream(1920, 1080), stream(640, 360)])
    assert note == (
        "talk: faces below 96 px may be missed at --detect-size 640;"
        " auto looks for smaller ones too"
    )


@pytest.mark.parametrize(
    ("config", "size"),
    [
        (RunConfig(), (1920, 1080)),
        (RunConfig(detect_size="1920"), (1920, 1080)),
        (RunConfig(detect_size="640", min_face=96), (1920, 1080)),
        (RunConfig(detect_size="640"), (None, None)),
    ],
)
def test_else_there_is_nothing_to_say(config: RunConfig, size: tuple[int, int]) -> None:
    assert search_notes(config, [stream(*size)]) == []
