from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streamfer.errors import ConfigError
from streamfer.labels import LABELS
from streamfer.training.faces.data import (
    NO_LABEL,
    concatenate,
    majority_class,
    vote_distribution,
)
from streamfer.training.faces.tables import read_fer_csv, read_fer_parquet
from streamfer.training.reading import Reading
from tests.support.labelled_faces import drawn_set, votes_for, write_parquet
from tests.support.shared import shared_file


def test_parquet_round_trip(tmp_path: Path) -> None:
    faces = drawn_set(9)
    read = read_fer_parquet(write_parquet(tmp_path / "faces.parquet", faces))
    assert np.array_equal(read.classes, faces.classes)
    assert np.array_equal(read.votes, faces.votes)
    assert read.names == faces.names
    assert all(map(np.array_equal, read.pictures, faces.pictures))


def _row(**changes: Any) -> dict[str, list[Any]]:
    row = {
        "image": b"\x89PNG broken",
        "fer2013_label": 3,
        "ferplus_votes": [0] * 10,
        "name": "a",
    }
    return {key: [value] for key, value in (row | changes).items()}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (_row(), "row 0: the image cannot be decoded"),
        (_row(image=None), "row 0: the image cannot be decoded"),
        (_row(image=7), "row 0: the image cannot be decoded"),
        ({k: v for k, v in _row().items() if k != "image"}, "no column image"),
        ({k: v for k, v in _row().items() if k != "fer2013_label"}, "no column fer2013_label or"),
        ({k: v[:0] for k, v in _row().items()}, "no rows"),
    ],
)
def test_a_malformed_parquet_file_is_named(
    tmp_path: Path, table: dict[str, list[Any]], message: str
) -> None:
    path = tmp_path / "faces.parquet"
    pq.write_table(pa.table(table), path)
    with pytest.raises(ConfigError, match=message) as caught:
        read_fer_parquet(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("classes", 7, "row 2: fer2013_label 7 is not between 0 and 6"),
        ("votes", -1, "row 2: ferplus_votes are not ten counts"),
    ],
)
def test_a_malformed_row_is_passed_over_and_named(
    tmp_path: Path, column: str, value: int, message: str
) -> None:
    faces = drawn_set(4)
    getattr(faces, column)[2] = value
    path = write_parquet(tmp_path / "faces.parquet", faces)
    read = read_fer_parquet(path)
    assert read.names == ("face 0", "face 1", "face 3")
    (item,) = read.summary.passed_over
    assert message in f"{item.name}: {item.why}"
    with pytest.raises(ConfigError, match=message):
        read_fer_parquet(path, Reading(strict=True))


def test_a_table_without_votes_may_name_persons(tmp_path: Path) -> None:
    faces = drawn_set(3)
    table = pq.read_table(write_parquet(tmp_path / "faces.parquet", faces))
    table = table.drop_columns(["ferplus_votes", "name"]).rename_columns(["image", "label"])
    table = table.append_column("person", pa.array([4, 4, 9]))
    pq.write_table(table, tmp_path / "persons.parquet")
    read = read_fer_parquet(tmp_path / "persons.parquet")
    assert read.subjects == ("4", "4", "9")
    assert read.names == ("row 0", "row 1", "row 2")
    assert read.summary.votes is None
    assert read.summary.subjects == 2


def test_the_persons_set_is_a_set_like_any_other() -> None:
    summary = read_fer_parquet(shared_file("data/persons/same_person.parquet")).summary
    assert (summary.faces, summary.subjects, summary.votes) == (2764, 642, None)
    assert summary.classes["neutral"] == 1279
    assert summary.passed_over == ()


def test_what_is_not_parquet_is_named(tmp_path: Path) -> None:
    path = tmp_path / "faces.parquet"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(ConfigError, match="not a readable Parquet file") as caught:
        read_fer_parquet(path)
    assert "\n" not in str(caught.value)


def _csv(tmp_path: Path, *rows: str, header: str = "emotion,pixels,Usage") -> Path:
    path = tmp_path / "fer2013.csv"
    path.write_text("\n".join((header, *rows)) + "\n")
    return path


_PIXELS = " ".join(["7"] * 48 * 48)


def test_csv_splits(tmp_path: Path) -> None:
    path = _csv(tmp_path, f"3,{_PIXELS},Training", f"0,{_PIXELS},PublicTest")
    faces = read_fer_csv(path, "PublicTest")
    assert faces.classes.tolist() == [0]
    assert faces.pictures[0].shape == (48, 48)
    assert (faces.pictures[0] == 7).all()
    assert not faces.votes.any()


def test_csv_header_of_the_challenge_has_spaces(tmp_path: Path) -> None:
    path = _csv(tmp_path, f"3, Training, {_PIXELS}", header="emotion, Usage, pixels")
    assert len(read_fer_csv(path, "Training")) == 1


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("3,1 2 3,Training", "line 2: 3 pixels, expected 2304"),
        (f"9,{_PIXELS},Training", "line 2: emotion 9"),
        (f"x,{_PIXELS},Training", "line 2: emotion or pixels"),
        (f"3,{_PIXELS.replace('7', '700')},Training", "line 2: emotion or pixels"),
        ("3", "no rows with Usage Training"),
        (f"3,{_PIXELS},PublicTest", "no rows with Usage Training"),
    ],
)
def test_a_malformed_csv_line_is_named(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_fer_csv(_csv(tmp_path, row), "Training")


def test_malformed_csv_lines_are_passed_over_and_counted(tmp_path: Path) -> None:
    path = _csv(tmp_path, "3,1 2 3,Training", f"9,{_PIXELS},Training", f"4,{_PIXELS},Training", "3")
    faces = read_fer_csv(path, "Training")
    assert faces.names == ("line 4",)
    assert [item.name for item in faces.passed_over] == ["line 2", "line 3", "line 5"]
    lines = faces.summary.lines()
    assert "no face of: angry, disgust, fear, happy, surprise, neutral" in lines
    assert any(line.startswith("passed over 1: 3 pixels, expected 2304 (line 2)") for line in lines)


def test_a_csv_column_may_name_subjects(tmp_path: Path) -> None:
    row = f"3,{_PIXELS},Training,anna"
    path = _csv(tmp_path, row, header="emotion,pixels,Usage,who")
    assert read_fer_csv(path, "Training", Reading(subjects="column:who")).subjects == ("anna",)
    with pytest.raises(ConfigError, match="no column name"):
        read_fer_csv(path, "Training", Reading(subjects="column:name"))


def test_a_csv_without_the_columns_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no column pixels, Usage"):
        read_fer_csv(_csv(tmp_path, "3", header="emotion"), "Training")


@pytest.mark.parametrize("label", range(7))
def test_votes_map_to_our_order(label: int) -> None:
    order = ["neutral", "happy", "surprise", "sad", "angry", "disgust", "fear"]
    votes = np.zeros((1, 10), np.float32)
    votes[0, order.index(LABELS[label])] = 10
    assert majority_class(votes).tolist() == [label]
    assert vote_distribution(votes)[0].argmax() == label


@pytest.mark.parametrize(
    ("votes", "expected"),
    [
        ([5, 5, 0, 0, 0, 0, 0, 0, 0, 0], NO_LABEL),  # shared
        ([4, 0, 0, 0, 0, 0, 0, 6, 0, 0], NO_LABEL),  # contempt
        ([4, 0, 0, 0, 0, 0, 0, 0, 0, 5], NO_LABEL),  # not a face
        ([4, 0, 0, 0, 0, 0, 0, 3, 3, 0], 6),
    ],
)
def test_majority_is_unique_and_one_of_the_seven(votes: list[int], expected: int) -> None:
    assert majority_class(np.array([votes], np.float32)).tolist() == [expected]


def test_single_votes_are_slips_unless_they_are_all() -> None:
    votes = np.array([[1, 6, 3, 0, 0, 0, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0, 0, 8, 0, 0]], np.float32)
    distribution = vote_distribution(votes)
    assert distribution[0].tolist() == pytest.approx([0, 0, 0, 6 / 9, 0, 3 / 9, 0])
    assert distribution[1].tolist() == pytest.approx([0, 0, 0, 0.5, 0, 0, 0.5])
    assert vote_distribution(np.zeros((1, 10), np.float32)).sum() == 0


def test_sets_join_and_split() -> None:
    faces = concatenate([drawn_set(3), drawn_set(4, seed=9)])
    assert len(faces) == 7
    assert faces.subjects == ()
    part = faces.subset([6, 0])
    assert part.classes.tolist() == [3, 0]
    assert part.names == ("face 3", "face 0")


def test_votes_for_helper_is_in_ferplus_order() -> None:
    assert votes_for(6)[0] == 10
