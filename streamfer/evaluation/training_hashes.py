"""What weights have learned from, as perceptual hashes: no evaluation may count those pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from streamfer.errors import EngineError
from streamfer.evaluation.duplicates import Hashes, hash_pictures
from streamfer.models.vgg import SHIPPED_FACE_WEIGHTS, read_training_hashes
from streamfer.training.faces.sources import read_faces
from streamfer.training.reading import Reading
from streamfer.types import UInt8Array

TRAINING_HASHES = SHIPPED_FACE_WEIGHTS.with_name("fer2013_training_hashes.safetensors")
"""Perceptual hashes of the FER2013 pictures that the shipped weights learned from."""

_DEFAULT = Reading()


def training_hashes(
    data: Path | None, weights: Path = SHIPPED_FACE_WEIGHTS, reading: Reading = _DEFAULT
) -> Hashes | None:
    """Hashes of a training set: of the given data, or those that came with the weights.

    Returns:
        None where nobody knows what the weights learned from.

    Raises:
        ConfigError: the data is missing or malformed.
        EngineError: the package's own hashes are missing or broken.
    """
    if data is not None:
        return hash_pictures(read_faces(data, "train", reading).pictures)
    if weights.resolve() != SHIPPED_FACE_WEIGHTS.resolve():
        return read_training_hashes(weights)
    try:
        return load_file(TRAINING_HASHES)["hashes"].view(np.uint64)
    except (OSError, KeyError, ValueError, SafetensorError) as error:
        raise EngineError(f"{TRAINING_HASHES.name}: cannot be read: {error}") from error


def learned_hashes(pictures: Sequence[UInt8Array], initial: Path | None) -> Hashes | None:
    """Hashes of all that weights have learned from once a training ends.

    Args:
        pictures: that it learns from.
        initial: weights that it starts from, which have learned from others; None for random ones.

    Returns:
        None where nobody knows what the initial weights learned from: their pictures would count
        as unseen.

    Raises:
        EngineError: the initial weights are missing or damaged.
    """
    hashes = hash_pictures(pictures)
    if initial is None:
        return hashes
    before = training_hashes(None, initial)
    return None if before is None else np.unique(np.concatenate([before, hashes]), axis=0)
