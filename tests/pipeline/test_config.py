from __future__ import annotations

import pytest

from streamfer.pipeline.config import PipelineConfig
from streamfer.types import StreamInfo


@pytest.mark.parametrize(
    ("size", "queue_size", "waiting"),
    [
        ((640, 360), 8, 8),
        ((1920, 1080), 8, 5),
        ((3840, 2160), 8, 2),
        ((7680, 4320), 8, 2),
        ((7680, 4320), 1, 1),
        ((None, None), 8, 8),
    ],
)
def test_of_large_frames_few_wait(
    size: tuple[int | None, int | None], queue_size: int, waiting: int
) -> None:
    info = StreamInfo("a", "a", *size, live=False)
    assert PipelineConfig(queue_size=queue_size).queue_size_of(info) == waiting
