from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from streamfer.labels import LABEL_SETS
from streamfer.models.shipped import SHIPPED, WeightFiles, digest
from streamfer.training import int8, trust
from streamfer.training.faces.data import NO_LABEL
from streamfer.training.faces.stream_views import stream_view
from streamfer.training.trust import SeenFaces, gather, main, see_faces
from streamfer.types import Detection, UInt8Array
from streamfer.vision.trust import load_trust
from tests.support.labelled_faces import drawn_set, write_parquet
from tests.support.latent import save_all_networks, save_latent_networks

LANDMARKS = np.array([[30, 40], [70, 40], [50, 60], [38, 80], [62, 80]], np.float32)


class EveryOther:
    """Finds a face in the middle of every second frame."""

    name = "every other"
    sha256 = "0" * 64

    def detect(self, images: Sequence[UInt8Array]) -> list[list[Detection]]:
        face = Detection(np.array([100, 100, 180, 200], np.float32), 0.8, LANDMARKS + 90)
        return [[face] if i % 2 else [] for i in range(len(images))]

    def close(self) -> None:
        pass


def test_views_are_frames_that_differ_and_repeat_with_the_seed() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (48, 48), dtype=np.uint8)
    views = [stream_view(picture, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert views[0].shape == (320, 320, 3)
    np.testing.assert_array_equal(views[0], views[1])
    assert (views[0] != views[2]).any()


def test_only_found_faces_are_seen() -> None:
    pictures = [np.full((48, 48), 40 * i, np.uint8) for i in range(3)]
    seen = see_faces(pictures, EveryOther(), views=4, seed=0)
    assert seen.rows.tolist() == [0, 0, 1, 1, 2, 2]
    assert seen.crops.shape == (6, 64, 64)
    assert len(seen.detections) == 6


def test_faces_without_a_label_say_nothing_of_trust() -> None:
    face = EveryOther().detect([np.zeros((1, 1, 3), np.uint8)] * 2)[1][0]
    seen = SeenFaces(np.array([0, 0, 2, 1]), (face,) * 4, np.zeros((4, 64, 64), np.uint8))
    probs = np.eye(7, dtype=np.float32)[[3, 4, 5, 3]]
    classes = np.array([3, NO_LABEL, 5])
    evidence = gather(seen, probs, classes, np.array([0.1, np.nan, 0.2, 0.3]))
    assert evidence.groups.tolist() == [0, 0, 2]
    assert evidence.right.tolist() == [True, False, True]
    assert evidence.refined.errors.tolist() == [0.1, 0.2]


@pytest.mark.parametrize("latent", [False, True])
def test_the_command_fits_both_heads_to_the_networks_of_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, latent: bool
) -> None:
    (save_all_networks if latent else save_latent_networks)(tmp_path)
    monkeypatch.setattr("streamfer.training.trust.make_detector", EveryOther)
    for name, seed in (("train-0", 0), ("public_test", 1)):
        write_parquet(tmp_path / f"{name}.parquet", drawn_set(700 if seed == 0 else 40, seed))
    folder = ["--data", str(tmp_path), "--weights", str(tmp_path), "--device", "cpu"]
    size = ["--views", "8", "--evaluation-faces", "30", "--refined", "60", "--steps", "1"]
    weights = WeightFiles(tmp_path)
    assert main([*folder, *size, "--out", str(weights.trust)]) == 0
    document = json.loads(weights.trust.read_text())
    assert document["face_sha256"] == digest(weights.face_network)
    for label_set in LABEL_SETS:
        assert (load_trust(weights.trust, label_set).with_error is not None) == latent
        figures = document["notes"]["figures"][label_set]
        assert set(figures) == {"folds", "validation"}
        assert figures["validation"]["without_error"]["n"] <= 15
        assert ("with_error" in figures["folds"]) == latent


@pytest.mark.parametrize("command", [trust.main, int8.main], ids=["trust", "int8"])
def test_where_the_result_goes_must_be_said(
    command: Callable[[list[str]], int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shipped = {path: path.read_bytes() for path in (SHIPPED.trust, SHIPPED.int8)}
    with pytest.raises(SystemExit) as ended:
        command([f"--data={tmp_path}"])
    assert ended.value.code == 2
    assert "--out" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in shipped} == shipped
