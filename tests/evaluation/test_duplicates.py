import cv2
import numpy as np
import pytest

from streamfer.evaluation.duplicates import (
    hash_pictures,
    near_duplicates,
    perceptual_hash,
)
from streamfer.types import UInt8Array


def _scene(seed: int) -> UInt8Array:
    """A smooth random picture, as different from another as two photographs."""
    coarse = np.random.default_rng(seed).uniform(0, 255, (12, 12)).astype(np.float32)
    return np.clip(cv2.resize(coarse, (48, 48), interpolation=cv2.INTER_CUBIC), 0, 255).astype(
        np.uint8
    )


def _recompressed(picture: UInt8Array) -> UInt8Array:
    encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 40])[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE), np.uint8)


def _darker(picture: UInt8Array) -> UInt8Array:
    return (picture * 0.6 + 10).astype(np.uint8)


def _enlarged(picture: UInt8Array) -> UInt8Array:
    return cv2.resize(picture, (160, 160))


@pytest.mark.parametrize("change", [np.copy, _recompressed, _darker, _enlarged])
def test_changed_copies_are_found(change: object) -> None:
    training = hash_pictures([_scene(seed) for seed in range(300)])
    copies = hash_pictures([change(_scene(seed)) for seed in (3, 150, 299)])  # type: ignore[operator]
    assert near_duplicates(copies, training).all()


def test_other_pictures_are_not() -> None:
    training = hash_pictures([_scene(seed) for seed in range(600)])
    others = hash_pictures([_scene(seed) for seed in range(1000, 1300)])
    assert not near_duplicates(others, training).any()


def test_the_threshold_counts_bits() -> None:
    first = np.zeros((1, 2), np.uint64)
    second = np.array([[0b111, 0b11]], np.uint64)
    assert near_duplicates(first, second, 5).all()
    assert not near_duplicates(first, second, 4).any()


def test_nothing_is_a_duplicate_of_nothing() -> None:
    empty = hash_pictures([])
    assert empty.shape == (0, 2)
    assert near_duplicates(hash_pictures([_scene(0)]), empty).tolist() == [False]


def test_a_hash_has_128_bits() -> None:
    assert perceptual_hash(_scene(0)).shape == (16,)
