"""Edits of codes, without networks."""

from __future__ import annotations

import numpy as np
import pytest

from streamfer.errors import ConfigError
from streamfer.evaluation.edit_sheet import edit_sheet
from streamfer.evaluation.edited_face import COARSE_LAYERS, Edit, edit_faces, in_span
from streamfer.evaluation.editor import codes_for_editing
from streamfer.labels import LABELS
from streamfer.models.directions import Directions
from streamfer.types import FloatArray, UInt8Array
from tests.support.directions import random_directions

_DIRECTIONS = random_directions(10, 8)
_CODE = np.zeros((10, 8), np.float32)
_OTHER = np.ones((10, 8), np.float32)
_NEUTRAL = np.eye(7, dtype=np.float32)[6]


class PlainEditor:
    """Draws the mean of a code as a gray; reads `happy` from bright pictures."""

    def encode(self, crops: UInt8Array) -> FloatArray:
        return np.zeros((len(crops), 10, 8), np.float32)

    def refine(self, crops: UInt8Array, codes: FloatArray) -> FloatArray:
        return codes + 4

    def draw(self, codes: FloatArray) -> UInt8Array:
        gray = np.clip(128 + 10 * codes.mean(axis=(1, 2)), 0, 255).astype(np.uint8)
        return np.broadcast_to(gray[:, None, None], (len(codes), 64, 64)).copy()

    def read(self, pictures: UInt8Array) -> FloatArray:
        happy = pictures.mean(axis=(1, 2)) > 128
        return np.eye(7, dtype=np.float32)[np.where(happy, 3, 6)]

    def close(self) -> None:
        pass


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_a_morph_goes_from_this_face_to_the_other(strength: float) -> None:
    moved = Edit("morph", (strength,)).moved(_CODE, strength, _DIRECTIONS, _NEUTRAL, _OTHER)
    np.testing.assert_allclose(moved, strength)


def test_a_mix_keeps_the_coarse_layers() -> None:
    moved = Edit("mix", (1.0,)).moved(_CODE, 1.0, _DIRECTIONS, _NEUTRAL, _OTHER)
    assert not moved[:COARSE_LAYERS].any()
    assert (moved[COARSE_LAYERS:] == 1).all()


def test_a_transfer_takes_the_expression_only() -> None:
    expression = _DIRECTIONS.vector("happy") - 0.5 * _DIRECTIONS.vector("sad")
    np.testing.assert_allclose(in_span(expression, _DIRECTIONS), expression, atol=1e-4)
    random = np.random.default_rng(5).normal(size=(10, 8)).astype(np.float32)
    identity = random - in_span(random, _DIRECTIONS)
    moved = Edit("transfer", (1.0,)).moved(_CODE, 1.0, _DIRECTIONS, _NEUTRAL, expression + identity)
    np.testing.assert_allclose(moved, expression, atol=1e-3)


def test_what_needs_another_face_says_so() -> None:
    with pytest.raises(ConfigError, match="--morph needs another face"):
        Edit("morph", (1.0,)).moved(_CODE, 1.0, _DIRECTIONS, _NEUTRAL)


def test_every_strength_is_a_row_with_both_answers() -> None:
    edit = Edit("direction", (-1.0, 2.0), "own", own_vector=np.ones((10, 8), np.float32))
    crops = np.zeros((1, 64, 64), np.uint8)
    (face,) = edit_faces(PlainEditor(), _DIRECTIONS, ["anna"], crops, _CODE[None], edit)
    low, high = face.numbers()
    assert low["before"] == high["before"] == "anna.before.png"
    assert (low["strength"], low["after"]) == (-1.0, "anna.own-1.00.png")
    assert LABELS[int(np.argmax(high["probs_after"]))] == "happy"
    assert LABELS[int(np.argmax(high["probs_before"]))] == "neutral"
    assert low["emotion"] is None
    assert Edit("direction", (1.0,), "sad").emotion == "sad"
    assert edit_sheet([face]).shape == (130, 4 * 116, 3)
    assert "+2 happy" in face.told


def test_a_face_gives_up_what_it_is_read_as() -> None:
    class Seen(PlainEditor):
        drawn: FloatArray

        def draw(self, codes: FloatArray) -> UInt8Array:
            self.drawn = codes
            return super().draw(codes)

    editor, edit = Seen(), Edit("direction", (1.0,), "sad")
    bright = np.ones((1, 10, 8), np.float32)  # read as happy
    edit_faces(editor, _DIRECTIONS, ["a"], np.zeros((1, 64, 64), np.uint8), bright, edit)
    change = editor.drawn[0] - bright[0]
    expected = _DIRECTIONS.vector("sad") - 0.5 * _DIRECTIONS.vector("happy")
    np.testing.assert_allclose(change, expected, atol=1e-5)


@pytest.mark.parametrize(("start", "pace"), [(-0.03, 0.5), (-0.04, 0.6), (-1.0, 1.0)])
def test_a_face_goes_as_far_as_it_needs(start: float, pace: float) -> None:
    vectors = np.zeros((7, 10, 8), np.float32)
    vectors[3] = 0.13  # a gray level and a third for one unit towards `happy`
    directions = Directions(LABELS, vectors, vectors.reshape(7, -1))
    code = np.full((1, 10, 8), start, np.float32)
    crops = np.zeros((1, 64, 64), np.uint8)
    edit = Edit("direction", (-2.0, 2.0), "happy")
    (face,) = edit_faces(PlainEditor(), directions, ["a"], crops, code, edit)
    assert face.pace == pytest.approx(pace)
    assert [row["pace"] for row in face.numbers()] == [pace, pace]
    away, towards = (float(step.after.mean()) for step in face.steps)
    assert away == int(128 + 10 * (start - 0.26))
    assert towards == int(128 + 10 * (start + 0.26 * pace))


def test_fit_is_the_share_of_the_way_to_the_refined_code() -> None:
    crops = np.zeros((2, 64, 64), np.uint8)
    assert codes_for_editing(PlainEditor(), crops, 0).max() == 0
    assert (codes_for_editing(PlainEditor(), crops, 0.5) == 2).all()


@pytest.mark.parametrize(
    ("strengths", "files"),
    [
        ((1.0, -0.5), ["a.happy+1.00.png", "a.happy-0.50.png"]),
        ((1.001, 1.002), ["a.happy+1.001.png", "a.happy+1.002.png"]),
    ],
)
def test_every_strength_has_a_file_of_its_own(
    strengths: tuple[float, ...], files: list[str]
) -> None:
    edit = Edit("direction", strengths, "happy")
    crops = np.zeros((1, 64, 64), np.uint8)
    (face,) = edit_faces(PlainEditor(), _DIRECTIONS, ["a"], crops, _CODE[None], edit)
    assert [step.file for step in face.steps] == files
