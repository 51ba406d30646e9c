import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from streamfer.errors import ConfigError
from streamfer.evaluation import folds as folds_module
from streamfer.evaluation.classifier import Evaluation
from streamfer.evaluation.duplicates import hash_pictures
from streamfer.evaluation.folds import FoldsConfig, cross_validate
from streamfer.evaluation.kept_folds import KeptFolds
from streamfer.models.vgg import FaceVGG, FaceVGGConfig, load_face_vgg, save_face_vgg
from streamfer.training.faces.data import LabelledFaces
from streamfer.training.faces.sources import read_all_faces
from streamfer.training.splits import assign_folds
from tests.support.labelled_faces import drawn_face, write_tree


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


def test_a_name_that_looks_like_a_person_s_makes_no_set_of_persons(tmp_path: Path) -> None:
    files = [("happy/S010_004_1.png", 3), *[(f"happy/{i}.png", 3) for i in range(5)]]
    assert cross_validate(_config(tmp_path, files))["subject"] is None


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


def test_near_duplicates_of_two_persons_stay_together(tmp_path: Path) -> None:
    for number in range(8):
        face = drawn_face(3, number // 2, side=96)
        path = tmp_path / "tree" / "happy" / f"S{number:03d}_1_{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), cv2.convertScaleAbs(face, alpha=1 - number % 2 / 10))
    kept: dict[str, list[int]] = {}

    def fold_of(config: FoldsConfig, faces: LabelledFaces, *_: object) -> FaceVGG:
        kept.setdefault("teaching", []).extend(int(name[-5]) // 2 for name in faces.names)
        return FaceVGG(FaceVGGConfig(width=0.05, input_size=16))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folds_module, "_fine_tune", fold_of)
        cross_validate(FoldsConfig(tmp_path / "tree", folds=4, epochs=1, by="subject"))
    # Each pair teaches in three of four folds, whole.
    assert sorted(kept["teaching"]) == [pair for pair in range(4) for _ in range(6)]
    for start in range(0, len(kept["teaching"]), 6):
        assert len(set(kept["teaching"][start : start + 6])) == 3


def test_finished_folds_are_kept_and_gone_on_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = _config(tmp_path, _SUBJECTS, by="subject", checkpoints=tmp_path / "kept")
    whole = cross_validate(config)
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == [
        "subject-0.npz",
        "subject-1.npz",
    ]
    (tmp_path / "kept" / "subject-1.npz").unlink()
    trained: list[int] = []
    fine_tune = folds_module._fine_tune
    monkeypatch.setattr(
        folds_module, "_fine_tune", lambda *given: trained.append(1) or fine_tune(*given)
    )
    assert cross_validate(config) == whole
    assert trained == [1]
    other = dataclasses.replace(config, epochs=2)
    with pytest.raises(
        ConfigError, match=r"subject-0\.npz: is of other faces, weights or settings"
    ):
        cross_validate(other)
    (tmp_path / "kept" / "subject-0.npz").write_bytes(b"no fold")
    with pytest.raises(ConfigError, match="not a finished fold"):
        cross_validate(config)


def test_frozen_stages_stay_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[FaceVGG] = []
    fine_tune = folds_module._fine_tune
    monkeypatch.setattr(
        folds_module, "_fine_tune", lambda *given: ends.append(fine_tune(*given)) or ends[-1]
    )
    config = _config(tmp_path, _SUBJECTS, by="subject", frozen_stages=2)
    cross_validate(config)
    before = load_face_vgg(config.weights)
    same = [
        torch.equal(old, new)
        for old, new in zip(before.trunk.parameters(), ends[0].trunk.parameters(), strict=True)
    ]
    assert same[0]
    assert not same[-1]
    with pytest.raises(ConfigError, match="random weights would stay random"):
        dataclasses.replace(config, from_scratch=True)


def test_all_splits_are_folded(tmp_path: Path) -> None:
    files = [(f"{split}/happy/{split}{i}.png", 3) for split in ("train", "test") for i in range(3)]
    assert cross_validate(_config(tmp_path, files))["image"]["n"] == 6


def test_what_the_initial_weights_learned_from_is_left_out(tmp_path: Path) -> None:
    config = _config(tmp_path, _SUBJECTS, by="image")
    unknown = cross_validate(config)["image"]
    assert (unknown["n_dedup"], unknown["accuracy_dedup"]) == (None, None)
    hashes = hash_pictures(read_all_faces(config.data).pictures[:5])
    save_face_vgg(load_face_vgg(config.weights), config.weights, hashes=hashes)
    seen = cross_validate(config)["image"]
    assert 0 < seen["n_dedup"] <= 7
    assert seen["n"] == 12
    scratch = cross_validate(dataclasses.replace(config, from_scratch=True))
    assert scratch["from_scratch"]
    assert scratch["image"]["n_dedup"] is None


def test_folds_from_scratch_of_another_shape_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "kept"
    config = _config(tmp_path, _SUBJECTS, by="image", from_scratch=True, checkpoints=kept)
    begun: list[KeptFolds] = []
    monkeypatch.setattr(
        folds_module, "KeptFolds", lambda *given: begun.append(KeptFolds(*given)) or begun[-1]
    )
    whole = cross_validate(config)
    save_face_vgg(FaceVGG(FaceVGGConfig(width=0.05, input_size=16)), config.weights)
    with pytest.raises(ConfigError, match="is of other faces, weights or settings"):
        cross_validate(config)
    save_face_vgg(FaceVGG(FaceVGGConfig(width=0.125, input_size=16)), config.weights)
    assert cross_validate(config)["image"]["per_fold"] == whole["image"]["per_fold"]
    # An earlier version did not note the shape.
    (earlier,) = begun[0]._accepted - {begun[0]._beginning}
    for number in (0, 1):
        answers = begun[0].read(number)
        assert answers is not None
        KeptFolds(kept, "image", earlier).write(number, answers)
    assert cross_validate(config)["image"]["per_fold"] == whole["image"]["per_fold"]
