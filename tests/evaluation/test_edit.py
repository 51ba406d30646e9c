"""The protocol of editing, on a generator whose pictures are its codes."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

from streamfer.errors import ConfigError, OutputError
from streamfer.evaluation.edit import (
    _prepared,
    control,
    judge_direction,
    main,
    resumed,
    table,
)
from streamfer.evaluation.edit_pace import paced, paces
from streamfer.evaluation.edited_set import EditedSet, edited_set
from streamfer.labels import LABELS
from streamfer.models.directions import Directions
from streamfer.types import FloatArray, UInt8Array
from tests.support.directions import random_directions
from tests.support.labelled_faces import drawn_set, write_parquet

HAPPY = 3


class CodeEditor:
    """Draws a code's first number as gray, 100 for 0, and reads bright faces as happy."""

    def encode(self, crops: UInt8Array) -> FloatArray:
        return np.zeros((len(crops), 2, 3), np.float32)

    def refine(self, crops: UInt8Array, codes: FloatArray) -> FloatArray:
        return codes + crops[:, :1, :1]

    def draw(self, codes: FloatArray) -> UInt8Array:
        levels = np.clip(100 + 20 * codes[:, 0, 0], 0, 255)
        return np.broadcast_to(levels[:, None, None], (len(codes), 8, 8)).astype(np.uint8)

    def read(self, pictures: UInt8Array) -> FloatArray:
        bright = pictures[:, 0, 0].astype(np.float32) / 255
        probs = np.zeros((len(pictures), 7), np.float32)
        probs[:, HAPPY], probs[:, 6] = bright, 1 - bright
        return probs

    def embed(self, pictures: UInt8Array) -> FloatArray:
        return pictures[:, 0, :1].astype(np.float32)

    def close(self) -> None:
        pass


def test_a_direction_is_judged_by_what_its_pictures_show() -> None:
    editor = CodeEditor()
    codes = np.zeros((4, 2, 3), np.float32)
    codes[3, 0, 0] = -1
    vectors = np.zeros((7, 2, 3), np.float32)
    vectors[HAPPY, 0, 0] = 1
    directions = Directions(LABELS, vectors, vectors.reshape(7, -1))
    strangers = np.array([[0.0], [170.0]], np.float32)
    figures = judge_direction(editor, editor, EditedSet(codes, strangers), directions, "happy")
    outside = figures["outside"]
    assert outside["faces"] == 4
    assert outside["success"]["1"] == 0  # 120 of 255
    assert outside["success"]["2"] == 0.75  # 140; the darker face only at 3
    assert outside["success"]["3"] == 1
    assert 2 < outside["strength"] < 3
    assert outside["order_of_faces"] == pytest.approx(1)
    assert figures["home"] == outside
    assert figures["identity"]["strength"] == outside["strength"]
    assert figures["identity"]["rank1"] > 0
    assert figures["identity"]["brightness"] > 0
    text = table({"mine": {"happy": figures}})
    assert "| mine | happy | 4 | 0 / 75 / 100 (0 / 75 / 100) | 2.1 (2.1) |" in text


def test_a_face_that_needs_less_goes_less_far() -> None:
    """Read as happy from 1.4 on, from 2.4 on, from the beginning."""
    codes = np.zeros((3, 2, 3), np.float32)
    codes[1:, 0, 0] = -1, 2
    vectors = np.zeros_like(codes)
    vectors[:, 0, 0] = 1
    found = paces(CodeEditor(), codes, vectors, HAPPY)
    np.testing.assert_allclose(found, [0.7, 1, 0.5])
    np.testing.assert_allclose(paced(np.array([-2, 0, 2], np.float32), 0.5), [-2, 0, 1])


def test_strangers_fit_as_well_as_the_faces_that_are_edited() -> None:
    editor = CodeEditor()
    faces, strangers = np.full((25, 8, 8), 2, np.uint8), np.full((3, 8, 8), 4, np.uint8)
    edited = edited_set(editor, editor, faces, strangers, fit=0.5)
    np.testing.assert_allclose(edited.codes, np.ones((25, 2, 3)))
    np.testing.assert_allclose(edited.strangers, np.full((3, 1), 140))


def test_controls_are_as_long_and_as_many() -> None:
    directions = random_directions(2, 3)
    random = control(directions, seed=1)
    assert random.names == directions.names
    for name in directions.names:
        ours, theirs = directions.vector(name), random.vector(name)
        assert np.linalg.norm(theirs) == pytest.approx(np.linalg.norm(ours), rel=1e-5)
        assert not np.allclose(ours, theirs)


def test_what_is_finished_is_not_computed_again(tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    assert resumed(path, lambda: {"a": 1}) == {"a": 1}
    assert json.loads(path.read_text()) == {"a": 1}
    assert resumed(path, lambda: {"a": 2}) == {"a": 1}
    path.write_text("{")
    with pytest.raises(OutputError, match="cannot read earlier results"):
        resumed(path, dict)


def test_wrong_options_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["--data", "d", "--persons", "p", "--judge", str(tmp_path), "--out", str(tmp_path)]
    assert main([*common, "--faces", "1"]) == 2
    assert main([*common, "--fit", "2"]) == 2
    assert main(common) == 2
    lines = capsys.readouterr().err.splitlines()
    told = ["--faces 1", "--fit 2.0", f"--judge {tmp_path}"]
    assert [line.split(":")[1].strip() for line in lines] == told


def test_strangers_have_to_be_known(tmp_path: Path) -> None:
    persons = write_parquet(tmp_path / "persons.parquet", drawn_set(4))
    options = Namespace(data=persons, persons=persons, faces=2, landmarks=None, fit=0.0)
    editor = CodeEditor()
    with pytest.raises(ConfigError, match=r"--persons .*: nothing says who is in its pictures"):
        _prepared(options, editor, editor, tmp_path)
