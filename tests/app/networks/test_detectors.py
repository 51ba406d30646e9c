from __future__ import annotations

import sys
from pathlib import Path

import pytest

from streamfer.app.networks.detectors import centerface_model, open_detector
from streamfer.errors import ConfigError, EngineError
from streamfer.runtime.store.store import EngineStore
from streamfer.vision.detection.detector import DetectorConfig
from tests.support.faces import read_rgb
from tests.support.models import small_network


def test_the_prepared_model_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = centerface_model(EngineStore(tmp_path))
    monkeypatch.setitem(sys.modules, "onnx", None)
    kept = centerface_model(EngineStore(tmp_path))
    assert (kept.sha256, kept.data) == (prepared.sha256, prepared.data)


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


def test_weights_that_are_not_here_say_how_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamfer.app.networks.published.weights_folder", lambda: tmp_path)
    with pytest.raises(EngineError, match="streamfer weights pull retinaface-resnet50"):
        open_detector("retinaface-resnet50", store=EngineStore(tmp_path))


def test_retinaface_is_exported_once_and_asked_for_surer_faces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exports: list[str] = []

    def export(path: Path, backbone: str) -> bytes:
        exports.append(f"{path.name} {backbone}")
        return small_network().data

    monkeypatch.setattr("streamfer.models.retinaface.export_retinaface", export)
    monkeypatch.setattr("streamfer.app.networks.published.weights_folder", lambda: tmp_path)
    (tmp_path / "retinaface_mobilenet0.25.pth").write_bytes(b"weights")
    store = EngineStore(tmp_path / "engines")
    for _ in range(2):
        detector = open_detector(
            "retinaface-mobilenet0.25",
            store=store,
            threads=1,
            settings=DetectorConfig(score_threshold=0.35),
        )
        assert detector.name == "retinaface-mobilenet0.25"
        assert detector._config.score_threshold == 0.7  # type: ignore[attr-defined]
        detector.close()
    assert exports == ["retinaface_mobilenet0.25.pth mobilenet0.25"]
