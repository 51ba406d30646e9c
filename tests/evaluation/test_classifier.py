from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from streamfer.errors import ConfigError, EngineError
from streamfer.evaluation.classifier import (
    EvaluationConfig,
    evaluate_classifier,
    ten_views,
)
from streamfer.evaluation.duplicates import hash_pictures
from streamfer.evaluation.training_hashes import training_hashes
from streamfer.models.vgg import FaceVGG, FaceVGGConfig, save_face_vgg
from streamfer.training.faces.landmarks import LandmarkCache, picture_key
from tests.support.labelled_faces import drawn_set, write_parquet, write_tree


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> EvaluationConfig:
    """Fifteen faces, of which one has shared votes; four are in the training set as well."""
    root = tmp_path_factory.mktemp("evaluation")
    faces = drawn_set(15)
    faces.votes[2, :2] = 10  # shared between neutral, happy and fear
    write_parquet(root / "public_test.parquet", faces)
    write_parquet(root / "train-0.parquet", faces.subset([0, 1, 2, 3]))
    cache = LandmarkCache({picture_key(p): None for p in faces.pictures})
    cache.save(root / "landmarks.npz")
    torch.manual_seed(0)
    save_face_vgg(FaceVGG(FaceVGGConfig(width=0.125, input_size=24)), root / "face.safetensors")
    return EvaluationConfig(
        data=root / "public_test.parquet",
        weights=root / "face.safetensors",
        training=root,
        landmarks=root / "landmarks.npz",
    )


@pytest.mark.parametrize(("labels", "count"), [("ferplus", 14), ("fer2013", 15)])
def test_figures_can_be_recomputed_from_the_predictions(
    config: EvaluationConfig, labels: str, count: int
) -> None:
    result = evaluate_classifier(replace(config, labels=labels))  # type: ignore[arg-type]
    figures = result.figures()
    assert figures["n"] == len(result.index) == count
    assert (2 in result.index) is (labels == "fer2013")
    np.testing.assert_allclose(result.probs.sum(axis=1), 1, atol=1e-5)
    hits = (result.probs.argmax(axis=1) == result.classes).mean()
    assert figures["accuracy"] == pytest.approx(hits)
    assert sum(map(sum, figures["confusion"])) == count
    assert figures["per_class"]["angry"].keys() == {"precision", "recall", "f1", "support"}
    assert figures["n_dedup"] <= count - 3
    assert len(figures["model_sha256"]) == 64


def test_heads_styles_and_views_differ(config: EvaluationConfig) -> None:
    probs = [
        evaluate_classifier(replace(config, **changes)).probs[0]  # type: ignore[arg-type]
        for changes in ({}, {"labels": "fer2013"}, {"style": "sketch"}, {"tta": True})
    ]
    for other in probs[1:]:
        assert not np.array_equal(probs[0], other)


def test_a_tree_has_one_truth_for_both_heads(config: EvaluationConfig, tmp_path: Path) -> None:
    write_tree(tmp_path, [("happy/a.png", 3), ("sad/b.png", 4)])
    result = evaluate_classifier(replace(config, data=tmp_path))
    assert result.classes.tolist() == [3, 4]


def test_data_without_labels_of_the_kind_is_refused(
    config: EvaluationConfig, tmp_path: Path
) -> None:
    faces = drawn_set(2)
    faces.votes[:] = 1
    path = write_parquet(tmp_path / "shared.parquet", faces)
    with pytest.raises(ConfigError, match="no face has a label of the kind ferplus"):
        evaluate_classifier(replace(config, data=path))


def test_ten_views_hold_the_crop_and_its_mirror() -> None:
    crops = np.random.default_rng(0).integers(0, 256, (2, 64, 64), dtype=np.uint8)
    views = ten_views(crops)
    assert len(views) == 10
    assert np.array_equal(views[0], crops)
    assert np.array_equal(views[1], crops[:, :, ::-1])
    assert np.array_equal(views[2][:, 3:, 3:], crops[:, :-3, :-3])
    assert len({view.tobytes() for view in views}) == 10


def test_the_package_has_hashes_of_its_training_set() -> None:
    hashes = training_hashes(None)
    assert hashes.shape[1] == 2
    assert len(hashes) > 20_000


def test_only_heads_that_were_trained_answer(config: EvaluationConfig, tmp_path: Path) -> None:
    model = FaceVGG(FaceVGGConfig(width=0.125, input_size=24))
    model.heads = ("fer2013",)
    save_face_vgg(model, tmp_path / "own.safetensors")
    own = replace(config, weights=tmp_path / "own.safetensors")
    assert evaluate_classifier(own).figures()["labels"] == "fer2013"
    with pytest.raises(ConfigError, match=r"own\.safetensors was trained on fer2013"):
        evaluate_classifier(replace(own, labels="ferplus"))


def test_near_duplicates_are_those_of_the_weights_own_training_set(
    config: EvaluationConfig, tmp_path: Path
) -> None:
    model = FaceVGG(FaceVGGConfig(width=0.125, input_size=24))
    own = replace(config, weights=tmp_path / "own.safetensors", training=None, labels="fer2013")
    save_face_vgg(model, own.weights)
    figures = evaluate_classifier(own).figures()
    assert (figures["accuracy_dedup"], figures["n_dedup"]) == (None, None)
    pictures = drawn_set(15).pictures
    save_face_vgg(model, own.weights, hashes=hash_pictures(pictures[:6]))
    assert evaluate_classifier(own).figures()["n_dedup"] == 9
    save_face_vgg(model, own.weights, hashes=hash_pictures(pictures))
    figures = evaluate_classifier(own).figures()
    assert (figures["accuracy_dedup"], figures["n_dedup"]) == (None, 0)


def test_missing_hashes_are_an_engine_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "streamfer.evaluation.training_hashes.TRAINING_HASHES", tmp_path / "absent.safetensors"
    )
    with pytest.raises(EngineError, match="cannot be read"):
        training_hashes(None)
