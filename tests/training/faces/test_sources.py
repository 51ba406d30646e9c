from pathlib import Path

import pytest

from streamfer.errors import ConfigError
from streamfer.training.faces.sources import Split, read_all_faces, read_faces, splits_of
from streamfer.training.reading import Reading
from tests.support.labelled_faces import drawn_set, write_parquet, write_tree


@pytest.fixture
def fer(tmp_path: Path) -> Path:
    for name, count in (("train-0", 3), ("train-1", 4), ("public_test", 2)):
        write_parquet(tmp_path / f"{name}.parquet", drawn_set(count))
    return tmp_path


@pytest.mark.parametrize(("split", "count"), [("train", 7), ("validation", 2)])
def test_a_folder_of_parquet_files_has_splits(fer: Path, split: Split, count: int) -> None:
    assert len(read_faces(fer, split)) == count


def test_a_parquet_file_is_read_whole(fer: Path) -> None:
    assert len(read_faces(fer / "train-1.parquet", "test")) == 4


def test_a_missing_split_is_named(fer: Path) -> None:
    with pytest.raises(ConfigError, match=r"no private\*\.parquet or test\*\.parquet"):
        read_faces(fer, "test")


def test_csv_splits_are_the_challenges(tmp_path: Path) -> None:
    pixels = " ".join(["1"] * 48 * 48)
    rows = [f"{i},{pixels},{u}" for i, u in enumerate(("Training", "PublicTest", "PrivateTest"))]
    path = tmp_path / "fer2013.csv"
    path.write_text("emotion,pixels,Usage\n" + "\n".join(rows) + "\n")
    splits: tuple[Split, ...] = ("train", "validation", "test")
    assert [read_faces(path, split).classes.tolist() for split in splits] == [[0], [1], [2]]


@pytest.mark.parametrize(("split", "name"), [("train", "a.png"), ("test", "b.png")])
def test_a_tree_may_have_split_folders(tmp_path: Path, split: Split, name: str) -> None:
    write_tree(tmp_path, [("train/1/a.png", 0), ("test/1/b.png", 0)])
    assert read_faces(tmp_path, split, Reading("rafdb")).names == (f"1/{name}",)


def test_a_test_folder_is_no_validation_folder(tmp_path: Path) -> None:
    write_tree(tmp_path, [("train/sad/a.png", 0), ("test/sad/b.png", 0)])
    with pytest.raises(ConfigError, match="no validation folder in it"):
        read_faces(tmp_path, "validation")
    assert splits_of(tmp_path) == ("train", "test")
    assert len(read_all_faces(tmp_path)) == 2


def test_a_tree_without_split_folders_is_read_whole(tmp_path: Path) -> None:
    write_tree(tmp_path, [("happy/a.png", 3), ("sad/b.png", 4)])
    assert len(read_faces(tmp_path, "validation")) == 2


@pytest.mark.parametrize(
    ("name", "message"), [("absent.parquet", "no such file"), ("notes.txt", "expected a .parquet")]
)
def test_other_things_are_refused(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(ConfigError, match=message):
        read_faces(tmp_path / name, "train")
