from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.peer.compare import Slope, peer_slope
from tests.support.clips import ClipSpec, make_clip

_FAKE_FER = """
class FER:
    def detect_emotions(self, picture):
        assert picture.shape == (64, 96, 3)
        return [{"box": (0, 0, 9, 9), "emotions": {}}]
"""


def test_the_slope_is_what_one_more_frame_takes() -> None:
    assert Slope.between(100, 2.0, 3.0) == Slope(50.0, 30.0)


def test_the_peer_is_measured_in_its_own_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    package = tmp_path / "fer"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "fer.py").write_text(_FAKE_FER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    clip = make_clip(tmp_path / "a.mp4", ClipSpec(frames=4))
    slope = peer_slope(sys.executable, str(clip), 3)
    assert slope.fps > 0
    assert slope.core_ms > 0
