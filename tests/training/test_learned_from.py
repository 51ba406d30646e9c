"""Weights say what they and all before them have learned from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from streamfer.evaluation.duplicates import hash_pictures
from streamfer.evaluation.training_hashes import learned_hashes
from streamfer.models.vgg import (
    SHIPPED_FACE_WEIGHTS,
    FaceVGG,
    FaceVGGConfig,
    read_training_hashes,
    save_face_vgg,
)
from streamfer.training import backbone, fused
from streamfer.training.classifier import train_classifier
from streamfer.training.vgg.classifier_run import TrainingFiles
from tests.support.backbone_runs import TINY as TINY_BACKBONE
from tests.support.backbone_runs import run_options
from tests.support.classifier_runs import TINY
from tests.support.labelled_faces import drawn_set, write_parquet, write_tree
from tests.support.latent import save_latent_networks


def _learned(weights: Path) -> set[tuple[int, ...]]:
    hashes = read_training_hashes(weights)
    assert hashes is not None
    return set(map(tuple, hashes.tolist()))


def test_a_classifier_has_learned_from_what_its_initial_weights_learned_from(
    files: TrainingFiles, tmp_path: Path
) -> None:
    config = replace(TINY, epochs=1, sizes=(16,))
    first = train_classifier(config, replace(files, out=tmp_path / "first"))
    other = write_parquet(tmp_path / "other.parquet", drawn_set(40, seed=900))
    then = replace(files, data=other, landmarks=None, out=tmp_path / "then", initial=first)
    before = _learned(first)
    assert before < _learned(train_classifier(config, then))
    save_face_vgg(FaceVGG(FaceVGGConfig(width=0.125, input_size=16)), first)  # of unknown origin
    assert read_training_hashes(train_classifier(config, then)) is None


def test_the_shipped_weights_have_hashes_beside_them() -> None:
    pictures = drawn_set(3).pictures
    together = learned_hashes(pictures, SHIPPED_FACE_WEIGHTS)
    assert together is not None
    assert len(together) > 20_000
    again = learned_hashes(pictures, None)
    assert again is not None
    assert len(np.unique(np.concatenate([together, again]), axis=0)) == len(together)


@pytest.mark.parametrize("known", [True, False])
def test_heads_have_learned_from_what_their_trunk_learned_from(tmp_path: Path, known: bool) -> None:
    trunk = tmp_path / "face.safetensors"
    hashes = hash_pictures(drawn_set(9, seed=700).pictures)
    save_face_vgg(FaceVGG(FaceVGGConfig(width=0.05)), trunk, hashes=hashes if known else None)
    tree = write_tree(tmp_path / "tree", [(f"happy/{i}.png", 3) for i in range(12)])
    encoder = save_latent_networks(tmp_path)["encoder"]
    options = ["--classifier", str(trunk), "--encoder", str(encoder)]
    options += ["--views", "1", "--epochs", "1", "--workers", "0", "--device", "cpu"]
    assert fused.main(["--data", str(tree), "--out", str(tmp_path / "out"), *options]) == 0
    whole = tmp_path / "out" / "fused_vgg19.safetensors"
    if known:
        assert set(map(tuple, hashes.tolist())) < _learned(whole)
    else:
        assert read_training_hashes(whole) is None


def test_what_a_published_checkpoint_learned_from_is_not_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamfer.training.backbones.run._start_from", lambda *_: None)
    options = [*run_options(tmp_path, 64, 14), *TINY_BACKBONE, "--latent", "none"]
    (tmp_path / "dan.pth").write_bytes(b"published")
    for out, more in (("own", []), ("published", ["--initial", str(tmp_path / "dan.pth")])):
        assert backbone.main([*options, "--out", str(tmp_path / out), *more]) == 0
        hashes = read_training_hashes(tmp_path / out / "resnet18_none.safetensors")
        assert (hashes is None) == (out == "published")
