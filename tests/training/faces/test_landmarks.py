import dataclasses
from contextlib import closing
from pathlib import Path
from typing import IO

import cv2
import numpy as np
import pytest

import streamfer
from streamfer.app.config import RunConfig
from streamfer.app.networks import models
from streamfer.errors import ConfigError, OutputError
from streamfer.runtime.store.store import EngineStore
from streamfer.training.faces import landmarks
from streamfer.training.faces.landmarks import (
    LandmarkCache,
    align_pictures,
    best_face,
    make_detector,
    open_landmarks,
    picture_key,
    summary_of,
)
from streamfer.types import Detection
from streamfer.vision.align import FACE_SIZE, align_face
from streamfer.vision.astronaut import astronaut
from streamfer.vision.detection.centerface import CenterFace
from tests.support.labelled_faces import drawn_face, drawn_set


def _detection() -> Detection:
    points = np.array([[16, 19], [32, 19], [24, 27], [18, 35], [30, 35]], np.float32)
    return Detection(np.array([6, 3, 42, 46], np.float32), 0.9, points)


def test_the_cache_survives_a_round_trip(tmp_path: Path) -> None:
    first, second = drawn_face(0, 0), drawn_face(1, 0)
    cache = LandmarkCache({picture_key(first): _detection(), picture_key(second): None})
    cache.save(tmp_path / "cache.npz")
    loaded = LandmarkCache.load(tmp_path / "cache.npz")
    assert loaded.found[picture_key(second)] is None
    found = loaded.found[picture_key(first)]
    assert found is not None
    assert found.score == pytest.approx(0.9)
    assert np.array_equal(found.landmarks, _detection().landmarks)
    assert np.array_equal(found.box_xyxy, _detection().box_xyxy)


def test_training_crops_are_serving_crops() -> None:
    picture = drawn_face(3, 1)
    cache = LandmarkCache({picture_key(picture): _detection()})
    crop = align_pictures([picture], cache)[0]
    assert np.array_equal(crop, align_face(picture, _detection()).image)


def test_without_a_face_the_picture_is_the_crop() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (FACE_SIZE, FACE_SIZE), dtype=np.uint8)
    cache = LandmarkCache({picture_key(picture): None})
    crop = align_pictures([picture], cache)[0].astype(int)
    # The crop is the picture, moved by half a pixel at most.
    assert np.abs(np.diff(cache.matrices([picture])[0] - np.eye(2, 3))).max() <= 0.51
    assert np.corrcoef(crop[4:-4, 4:-4].ravel(), picture[4:-4, 4:-4].ravel())[0, 1] > 0.4


def test_the_detector_runs_once_for_each_picture(tmp_path: Path) -> None:
    pictures = [drawn_face(label, 0) for label in range(3)]
    path = tmp_path / "cache"
    cache = open_landmarks(path, [*pictures, pictures[0]])
    assert len(cache.found) == 3
    assert open_landmarks(path, pictures).complete(pictures) == 0


def test_a_complete_cache_needs_no_detector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = drawn_face(0, 0)
    LandmarkCache({picture_key(picture): None}).save(tmp_path / "cache.npz")
    monkeypatch.setattr(landmarks, "make_detector", lambda: pytest.fail("detector was made"))
    open_landmarks(tmp_path / "cache.npz", [picture])


def test_faces_that_were_found_in_another_way_are_found_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    picture = drawn_face(0, 0)
    path = tmp_path / "cache.npz"
    LandmarkCache({picture_key(picture): _detection()}).save(path)
    monkeypatch.setattr(landmarks, "_FINDER", "another")
    with caplog.at_level("WARNING", logger="streamfer"):
        assert LandmarkCache.load(path).found == {}
    assert "cache.npz: its faces were found in another way" in caplog.text


def test_the_detector_is_a_run_s(tmp_path: Path) -> None:
    config = RunConfig(backend="onnxruntime", device="cpu")
    networks = models._Networks(config, EngineStore(tmp_path), lambda *_: None, at_once=True)
    with closing(networks.open_detector()) as of_a_run, closing(make_detector()) as mine:
        assert isinstance(of_a_run, CenterFace)
        assert mine.config == of_a_run.config


@pytest.mark.parametrize("size", [60, 140])
def test_pictures_give_the_landmarks_that_a_run_finds(size: int) -> None:
    image = cv2.resize(astronaut()[0:220, 110:330], (size, size))
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    cache = open_landmarks(None, [gray])
    found = cache.detection(gray)
    (face,) = streamfer.analyze_image(gray, device="cpu", backend="onnxruntime").faces
    assert found is not None
    assert np.allclose(found.landmarks, face.detection.landmarks, atol=0.05)


def test_what_a_run_takes_for_no_face_is_none() -> None:
    doubtful = dataclasses.replace(_detection(), score=0.3)
    assert best_face([doubtful]) is doubtful  # its landmarks lie as in a face
    nowhere = dataclasses.replace(doubtful, landmarks=np.zeros((5, 2), np.float32))
    assert best_face([nowhere]) is None
    assert best_face([nowhere, doubtful]) is doubtful


def test_pictures_without_a_face_are_named() -> None:
    faces = drawn_set(8)
    cache = LandmarkCache(dict.fromkeys(map(picture_key, faces.pictures)))
    cache.found[picture_key(faces.pictures[0])] = _detection()
    summary = summary_of(faces, cache)
    assert summary.faceless == faces.names[1:]
    assert summary.to_dict()["faceless"] == faces.names[1:]
    assert "taken whole 7: no face was found in the picture (face 1, face 2," in summary.lines()[-1]


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cache.npz"
    for content in (b"not a cache", b""):
        path.write_bytes(content)
        with pytest.raises(ConfigError, match="not a landmark cache"):
            open_landmarks(path, [])
    np.savez(path, other=np.zeros(3))
    with pytest.raises(ConfigError, match="not a landmark cache"):
        open_landmarks(path, [])


def test_size_is_part_of_the_key() -> None:
    assert picture_key(np.zeros((2, 8), np.uint8)) != picture_key(np.zeros((4, 4), np.uint8))


def test_an_unwritable_cache_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "cache.npz").mkdir()
    with pytest.raises(OutputError, match="cannot write"):
        LandmarkCache({b"0" * 16: None}).save(tmp_path / "cache.npz")


def test_a_folder_that_cannot_be_made_is_told_before_faces_are_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[object] = []
    monkeypatch.setattr(LandmarkCache, "complete", lambda self, pictures: looked.append(pictures))
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot make the folder"):
        open_landmarks(tmp_path / "file" / "cache.npz", [])
    assert looked == []


def test_a_run_that_is_stopped_while_it_writes_keeps_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cache.npz"
    cache = LandmarkCache({b"0" * 16: None})
    cache.save(path)

    def stop(file: IO[bytes], **_: object) -> None:
        file.write(b"PK")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez_compressed", stop)
    with pytest.raises(KeyboardInterrupt):
        cache.save(path)
    assert LandmarkCache.load(path).found == cache.found
