"""Who is in a picture, where that is told of some pictures only."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streamfer.errors import ConfigError
from streamfer.training.faces.data import concatenate
from streamfer.training.faces.image_tree import read_image_tree
from streamfer.training.faces.tables import read_fer_csv, read_fer_parquet
from streamfer.training.reading import Reading
from streamfer.training.splits import read_splits
from tests.support.labelled_faces import drawn_set, write_parquet, write_tree

PIXELS = " ".join(["7"] * 48 * 48)


def _persons(path: Path, people: list[Any]) -> Path:
    table = pq.read_table(write_parquet(path, drawn_set(len(people))))
    pq.write_table(table.append_column("person", pa.array(people)), path)
    return path


@pytest.mark.parametrize("empty", [None, ""])
def test_a_face_without_a_name_does_not_take_the_others_names(
    tmp_path: Path, empty: str | None
) -> None:
    people = [f"p{row // 5}" for row in range(59)]
    path = _persons(tmp_path / "a.parquet", [*people, empty])
    splits = read_splits(path, share=0.2)
    known = [
        {s for s in part.subjects if s in people} for part in (splits.training, splits.validation)
    ]
    assert not known[0] & known[1]
    assert "whole subjects" in splits.how
    summary = read_fer_parquet(path).summary
    assert summary.subjects == 12
    assert summary.unnamed == ("face 59",)
    assert summary.lines()[-1].startswith("unnamed 1: nothing says who is in the picture")


def test_faces_without_a_name_are_different_people(tmp_path: Path) -> None:
    read = read_fer_parquet(_persons(tmp_path / "a.parquet", [1.0, float("nan"), None, 1.0]))
    assert len(set(read.subjects)) == 3
    assert read.subjects[0] == read.subjects[3] == "1.0"
    nobody = read_fer_parquet(_persons(tmp_path / "b.parquet", [None, None]))
    assert nobody.subjects == ()
    assert nobody.summary.subjects is None
    assert nobody.summary.unnamed == ()


def test_a_set_of_unnamed_faces_does_not_take_another_s_names() -> None:
    named = dataclasses.replace(drawn_set(3), subjects=("anna", "anna", "ben"))
    both = concatenate([named, drawn_set(2, seed=9)])
    assert both.subjects[:3] == named.subjects
    assert len(set(both.subjects)) == 4
    assert both.summary.unnamed == ("face 0", "face 1")


def test_a_rule_that_names_nobody_is_an_error_at_that_row(tmp_path: Path) -> None:
    path = _persons(tmp_path / "a.parquet", ["anna", None])
    wanted = r"face 1: --subjects column:person names nobody; fill it in, or take it out"
    with pytest.raises(ConfigError, match=wanted):
        read_fer_parquet(path, Reading(subjects="column:person"))
    csv = tmp_path / "fer2013.csv"
    csv.write_text(f"emotion,pixels,Usage,who\n3,{PIXELS},Training,anna\n3,{PIXELS},Training,\n")
    with pytest.raises(ConfigError, match="line 3: --subjects column:who names nobody"):
        read_fer_csv(csv, "Training", Reading(subjects="column:who"))
    tree = write_tree(tmp_path / "tree", [("happy/anna-1.png", 3), ("happy/-2.png", 3)])
    with pytest.raises(ConfigError, match=r"-2\.png: --subjects pattern:.* names nobody"):
        read_image_tree(tree, Reading(subjects=r"pattern:^(\w*)-"))
