import numpy as np
import pytest

from streamfer.geometry import apply_affine
from streamfer.training.faces.augment import (
    AugmentConfig,
    augment_face,
    compose,
    random_similarity,
)
from streamfer.types import FloatArray, UInt8Array
from streamfer.vision.align import FACE_SIZE, warp_face
from tests.support.labelled_faces import drawn_face

_STILL = dict.fromkeys(
    (
        "rotation_deg",
        "log2_scale",
        "shift",
        "stretch",
        "flip",
        "surroundings",
        "unaligned",
        "light",
        "blur",
        "resample",
        "jpeg",
        "sketch",
        "erase",
    ),
    0.0,
)
_TO_CROP: FloatArray = np.array([[1.4, 0.1, -2], [-0.1, 1.4, 1]], np.float32)
_TO_WHOLE: FloatArray = np.array([[4 / 3, 0, 1 / 6], [0, 4 / 3, 1 / 6]], np.float32)


def _augmented(seed: int = 0, **chances: float) -> UInt8Array:
    config = AugmentConfig(**{**_STILL, **chances})
    rng = np.random.default_rng(seed)
    return augment_face(drawn_face(3, 5), _TO_CROP, _TO_WHOLE, drawn_face(1, 2), config, rng)


def test_without_chance_it_is_the_serving_crop() -> None:
    assert np.array_equal(_augmented(), warp_face(drawn_face(3, 5), _TO_CROP))


@pytest.mark.parametrize("name", sorted(_STILL))
def test_everything_changes_the_face_and_keeps_its_form(name: str) -> None:
    strength = 12.0 if name == "rotation_deg" else 1.0
    face = _augmented(seed=1, **{name: strength})
    assert face.shape == (FACE_SIZE, FACE_SIZE)
    assert face.dtype == np.uint8
    assert not np.array_equal(face, _augmented())


def test_a_seed_decides_everything() -> None:
    chances = dict.fromkeys(("light", "blur", "jpeg", "erase", "flip"), 0.5)
    assert np.array_equal(_augmented(seed=4, **chances), _augmented(seed=4, **chances))
    assert not np.array_equal(_augmented(seed=4, **chances), _augmented(seed=5, **chances))


def test_flipping_mirrors_about_the_middle_of_the_crop() -> None:
    matrix = random_similarity(AugmentConfig(**{**_STILL, "flip": 1.0}), np.random.default_rng(0))
    corners = np.array([[0, 0], [FACE_SIZE - 1, 5]], np.float32)
    expected = [[FACE_SIZE - 1, 0], [0, 5]]
    np.testing.assert_allclose(apply_affine(matrix, corners), expected, atol=1e-4)


def test_unaligned_takes_the_whole_picture() -> None:
    assert np.array_equal(_augmented(unaligned=1.0), warp_face(drawn_face(3, 5), _TO_WHOLE))


def test_surroundings_change_what_lies_beyond_the_picture_only() -> None:
    pictures = drawn_face(3, 5), drawn_face(1, 2)
    small = np.array([[0.7, 0, 15], [0, 0.7, 15]], np.float32)
    height, width = (round(0.7 * side) for side in pictures[0].shape)
    config = AugmentConfig(**{**_STILL, "surroundings": 1.0})
    plain = warp_face(pictures[0], small)
    for seed in range(8):
        rng = np.random.default_rng(seed)
        face = augment_face(pictures[0], small, _TO_WHOLE, pictures[1], config, rng)
        changed = face != plain
        assert changed[:14].mean() > 0.5
        assert not changed[16 : 14 + height, 16 : 14 + width].any()


def test_composition_applies_the_first_map_first() -> None:
    points = np.array([[3, 4], [10, -2]], np.float32)
    both = apply_affine(compose(_TO_WHOLE, _TO_CROP), points)
    one_by_one = apply_affine(_TO_WHOLE, apply_affine(_TO_CROP, points))
    np.testing.assert_allclose(both, one_by_one, atol=1e-4)


def test_a_weaker_augmentation_shrinks_what_makes_a_face_harder() -> None:
    half = AugmentConfig().scaled(0.5)
    assert half.rotation_deg == AugmentConfig().rotation_deg / 2
    assert half.erase == AugmentConfig().erase / 2
    assert half.flip == AugmentConfig().flip
    assert half.surroundings == AugmentConfig().surroundings
