from pathlib import Path

import numpy as np
import pytest
import torch

from streamfer.errors import ConfigError
from streamfer.evaluation.classifier import Evaluation
from streamfer.evaluation.folds import FoldsConfig, assign_folds, cross_validate
from streamfer.models.vgg import FaceVGG, FaceVGGConfig, save_face_vgg
from tests.support.labelled_faces import write_tree


def test_groups_are_never_split_and_folds_are_even() -> None:
    groups = [f"S{i % 13}" for i in range(130)] + ["S0"] * 20
    fold = assign_folds(groups, 5, seed=0)
    for group in set(groups):
        assert len({int(f) for f, g in zip(fold, groups, strict=True) if g == group}) == 1
    assert np.bincount(fold).min() >= 20
    assert np.bincount(fold).max() <= 40


def test_folds_depend_on_the_seed_alone() -> None:
    rows = list(range(40))
    assert np.array_equal(assign_folds(rows, 4, seed=1), assign_folds(rows, 4, seed=1))
    assert not np.array_equal(assign_folds(rows, 4, seed=1), assign_folds(rows, 4, seed=2))
    assert np.bincount(assign_folds(rows, 4, seed=1)).tolist() == [10] * 4


def test_more_folds_than_groups_are_refused() -> None:
    with pytest.raises(ConfigError, match="3 folds need as many groups, there are 2"):
        assign_folds(["a", "b", "a"], 3, seed=0)


def _config(root: Path, files: list[tuple[str, int]], **changes: object) -> FoldsConfig:
    write_tree(root / "tree", files)
    torch.manual_seed(0)
    weights = root / "face.safetensors"
    save_face_vgg(FaceVGG(FaceVGGConfig(width=0.125, input_size=16)), weights)
    settings = {"folds": 2, "epochs": 1, "batch_size": 8} | changes
    return FoldsConfig(data=root / "tree", weights=weights, **settings)  # type: ignore[arg-type]


_SUBJECTS = [
    (f"{name}/S{subject:03d}_001_{label}.png", label)
    for subject in range(4)
    for label, name in ((0, "anger"), (3, "happy"), (5, "surprise"))
]


def test_random_folds_stand_beside_subject_disjoint_ones(tmp_path: Path) -> None:
    lines: list[str] = []
    figures = cross_validate(_config(tmp_path, _SUBJECTS), lines.append)
    assert figures["folds"] == 2
    for by in ("image", "subject"):
        assert figures[by]["n"] == 12
        assert len(figures[by]["per_fold"]) == 2
        assert sum(map(sum, figures[by]["confusion"])) == 12
    assert len(lines) == 4


def test_one_kind_may_be_asked_for(tmp_path: Path) -> None:
    figures = cross_validate(_config(tmp_path, _SUBJECTS, by="subject"))
    assert figures["image"] is None
    assert figures["subject"]["n"] == 12


def test_too_few_subjects_are_said_before_any_training(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "tree", [(f"happy/S1_{i}.png", 3) for i in range(4)])
    lines: list[str] = []
    with pytest.raises(ConfigError, match="2 folds need as many groups, there are 1"):
        cross_validate(FoldsConfig(tree, folds=2, epochs=1), lines.append)
    assert lines == []


def test_unknown_subjects(tmp_path: Path) -> None:
    files = [(f"happy/{i}.png", 3) for i in range(4)]
    assert cross_validate(_config(tmp_path, files))["subject"] is None
    with pytest.raises(ConfigError, match="do not tell the subjects"):
        cross_validate(_config(tmp_path, files, by="subject"))


def test_one_fold_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 2"):
        FoldsConfig(data=Path("tree"), folds=1)


def test_folds_do_what_a_holdout_does(tmp_path: Path) -> None:
    kept: dict[str, Evaluation] = {}
    settings = {"style": "sketch", "tta": True, "from_scratch": True, "by": "subject"}
    figures = cross_validate(_config(tmp_path, _SUBJECTS, **settings), keep=kept.__setitem__)
    result, evaluation = figures["subject"], kept["subject"]
    assert (result["style"], result["tta"], result["labels"]) == ("sketch", True, "fer2013")
    assert result["sd"] == pytest.approx(np.std(result["per_fold"], ddof=1))
    assert set(result["per_subject"]) == {"S000", "S001", "S002", "S003"}
    assert set(evaluation.names) == {name for name, _ in _SUBJECTS}
    answers = evaluation.probs.argmax(axis=1)
    assert result["accuracy"] == pytest.approx((answers == evaluation.classes).mean())
    photo = _config(tmp_path, _SUBJECTS, from_scratch=True, by="subject")
    cross_validate(photo, keep=lambda by, other: kept.update({"photo": other}))
    assert not np.array_equal(kept["photo"].probs, evaluation.probs)


def test_all_splits_are_folded(tmp_path: Path) -> None:
    files = [(f"{split}/happy/{split}{i}.png", 3) for split in ("train", "test") for i in range(3)]
    assert cross_validate(_config(tmp_path, files))["image"]["n"] == 6
