from __future__ import annotations

import sys
from pathlib import Path

import pytest

from streamfer.app.detectors import centerface_model, open_detector
from streamfer.errors import ConfigError
from streamfer.runtime.store import EngineStore
from streamfer.vision.detector import DetectorConfig
from tests.support.faces import read_rgb


def test_the_prepared_model_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = centerface_model(EngineStore(tmp_path))
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert centerface_model(EngineStore(tmp_path)) == prepared


def test_auto_finds_faces(tmp_path: Path) -> None:
    detector = open_detector(store=EngineStore(tmp_path), threads=1)
    assert detector.name == "centerface"
    assert [len(faces) for faces in detector.detect([read_rgb("media/multi_face.jpg")])] == [5]
    detector.close()


def test_small_faces_can_be_left_out(tmp_path: Path) -> None:
    store = EngineStore(tmp_path)
    detector = open_detector(
        "centerface", store=store, threads=1, settings=DetectorConfig(min_face_px=10_000)
    )
    assert detector.detect([read_rgb("media/single_face.jpg")]) == [[]]
    detector.close()


def test_an_unknown_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown detector 'haar'; known are auto, centerface"):
        open_detector("haar", store=EngineStore(tmp_path))
