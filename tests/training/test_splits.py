"""Which faces choose: never one that teaches too."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from streamfer.errors import ConfigError
from streamfer.evaluation.duplicates import hash_pictures, near_duplicates
from streamfer.training.faces.data import LabelledFaces
from streamfer.training.faces.landmarks import picture_key
from streamfer.training.reading import Reading
from streamfer.training.splits import Splits, read_splits
from tests.support.labelled_faces import drawn_face, drawn_set, write_parquet, write_tree


def _is_disjoint(splits: Splits) -> bool:
    sides = [hash_pictures(part.pictures) for part in (splits.training, splits.validation)]
    return len(splits.validation) > 0 and not near_duplicates(sides[0], sides[1]).any()


def test_without_validation_faces_a_part_of_training_chooses(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "mine.parquet", drawn_set(60))
    splits = read_splits(path, share=0.2, seed=3)
    assert len(splits.training) + len(splits.validation) == 60
    assert 8 <= len(splits.validation) <= 12
    assert _is_disjoint(splits)
    assert "of 60 training faces" in splits.how
    assert "seed 3" in splits.how
    again, other = read_splits(path, share=0.2, seed=3), read_splits(path, share=0.2, seed=4)
    assert again.validation.names == splits.validation.names != other.validation.names


def test_subjects_stay_on_one_side(tmp_path: Path) -> None:
    files = [(f"{name}/S{i:03d}_1_{name}.png", 3) for i in range(12) for name in ("happy", "sad")]
    splits = read_splits(write_tree(tmp_path, files), share=0.25)
    assert not set(splits.training.subjects) & set(splits.validation.subjects)
    assert len(set(splits.validation.subjects)) == 3
    assert "whole subjects" in splits.how


def test_near_duplicates_stay_on_one_side(tmp_path: Path) -> None:
    for number in range(12):
        face = drawn_face(3, number)
        folder = tmp_path / "happy"
        folder.mkdir(exist_ok=True)
        cv2.imwrite(str(folder / f"{number}.png"), face)
        cv2.imwrite(str(folder / f"{number}-again.jpg"), cv2.convertScaleAbs(face, alpha=0.9))
    for seed in range(4):
        splits = read_splits(tmp_path, share=0.2, seed=seed)
        assert _is_disjoint(splits)
        names = {name.split("/")[1][:2].rstrip(".-") for name in splits.validation.names}
        assert len(splits.validation) == 2 * len(names)


def test_a_set_that_cannot_be_split_is_refused(tmp_path: Path) -> None:
    write_tree(tmp_path, [(f"happy/S001_{i}.png", 3) for i in range(5)])
    with pytest.raises(ConfigError, match=r"all belong together.*--validation"):
        read_splits(tmp_path)


@pytest.mark.parametrize("share", [0.0, 1.0, float("nan")])
def test_other_shares_are_refused(tmp_path: Path, share: float) -> None:
    with pytest.raises(ConfigError, match="--validation-share"):
        read_splits(tmp_path, share=share)


def test_a_test_split_does_not_choose(tmp_path: Path) -> None:
    files = [(f"train/1/{i}.png", 5) for i in range(20)]
    files += [(f"test/1/{i}.png", 5) for i in range(100, 104)]
    splits = read_splits(write_tree(tmp_path, files), reading=Reading("rafdb"))
    tested = {picture_key(cv2.imread(str(p), 0)) for p in (tmp_path / "test").rglob("*.png")}
    for part in (splits.training, splits.validation):
        assert not tested & {picture_key(picture) for picture in part.pictures}
    assert len(splits.training) + len(splits.validation) == 20


def _with(faces: LabelledFaces, others: LabelledFaces, count: int) -> LabelledFaces:
    return LabelledFaces(
        pictures=faces.pictures + others.pictures[:count],
        classes=np.concatenate([faces.classes, others.classes[:count]]),
        votes=np.concatenate([faces.votes, others.votes[:count]]),
        names=faces.names + others.names[:count],
    )


@pytest.mark.parametrize("split", ["public_test", "private_test"])
def test_a_planted_duplicate_is_found_and_a_planted_leak_refused(
    tmp_path: Path, split: str
) -> None:
    teaching, held_out = drawn_set(30), drawn_set(12, seed=700)
    write_parquet(tmp_path / f"{split}.parquet", held_out)
    write_parquet(tmp_path / "train.parquet", _with(teaching, held_out, 1))
    splits = read_splits(tmp_path)
    assert "1 training faces left out, near-duplicates of" in splits.how
    assert _is_disjoint(splits)
    write_parquet(tmp_path / "train.parquet", _with(teaching, held_out, 12))
    with pytest.raises(ConfigError, match=r"12 of 12 .* faces are among the training faces too"):
        read_splits(tmp_path)
    assert not (tmp_path / "run").exists()


def test_given_validation_faces_choose(tmp_path: Path) -> None:
    data = write_parquet(tmp_path / "mine.parquet", drawn_set(20))
    other = write_parquet(tmp_path / "other.parquet", drawn_set(5, seed=400))
    splits = read_splits(data, other)
    assert (len(splits.training), len(splits.validation)) == (20, 5)
    assert splits.how == "given by --validation"
    with pytest.raises(ConfigError, match="5 of 5"):
        read_splits(other, other)
