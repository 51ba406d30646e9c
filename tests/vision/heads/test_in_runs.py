"""A head of one's own, from the public seam to every output."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from streamfer.app.api import analyze
from streamfer.errors import ConfigError
from streamfer.fields import FieldSpec
from streamfer.media.records.reader import read_records
from streamfer.types import FaceResult, UInt8Array

OURS = ("yaw", "pitch", "roll", "valence", "expressiveness")


class Brightness:
    """Mean brightness of the crop, 0 to 255."""

    name = "brightness"
    fields = (FieldSpec("brightness", digits=1),)

    def read(self, crops: UInt8Array, faces: Sequence[FaceResult]) -> list[dict[str, Any]]:
        return [{"brightness": crop.mean()} for crop in crops]


def analysed(records: Path, **options: Any) -> list[dict[str, Any]]:
    results = analyze("demo:", records=records, max_frames=2, refine=False, **options)
    return [result.to_dict() for result in results]


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_a_head_of_ones_own_is_in_every_output(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"r{suffix}"
    results = analysed(path, heads=[Brightness()])
    records = read_records(path)
    assert records.frames == results
    values = [face["brightness"] for frame in results for face in frame["faces"]]
    assert len(values) >= 2
    assert all(0 < value < 255 for value in values)
    assert records.to_table(["brightness"])["brightness"].to_pylist() == values
    assert [entry["name"] for entry in records.header["fields"]] == [*OURS, "brightness"]
    if suffix == ".jsonl":
        lines = [json.loads(line) for line in path.read_text().splitlines()[1:]]
        assert lines == results
    if suffix == ".csv":
        with path.open(newline="") as file:
            assert [float(row["brightness"]) for row in csv.DictReader(file)] == values
    if suffix == ".parquet":
        assert pq.read_table(path)["brightness"].to_pylist() == values


def test_heads_are_left_out_by_name(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    (face,) = analysed(path, heads="none")[0]["faces"]
    assert not set(OURS) & face.keys()
    assert "fields" not in read_records(path).header
    (face,) = analysed(path, heads="valence")[0]["faces"]
    assert set(OURS) & face.keys() == {"valence"}
    (face,) = analysed(tmp_path / "list.csv", heads=["valence"])[0]["faces"]
    assert set(OURS) & face.keys() == {"valence"}
    assert read_records(path).frames[0]["faces"] == [face]


def test_names_and_heads_of_one_s_own_do_not_go_together(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="names or heads of one's own, not both; got pose"):
        analysed(tmp_path / "r.csv", heads=["pose", Brightness()])


def test_an_unknown_head_is_refused_before_anything_is_opened(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'valence'"):
        analysed(tmp_path / "r.csv", heads="valance")
    assert not (tmp_path / "r.csv").exists()
