from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.clips import ClipSpec, make_clip
from tests.support.verified import COUNT, SIZE, moving_pictures, run_on


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("input") / "talk.mp4"
    spec = ClipSpec(frames=COUNT, size=SIZE, audio="aac", options={"crf": "12"})
    return make_clip(path, spec, moving_pictures())


@pytest.fixture(scope="module")
def healthy(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Undamaged output and records."""
    return run_on(clip, tmp_path_factory.mktemp("healthy"))
