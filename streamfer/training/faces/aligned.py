"""The aligned faces of a data set, as the networks see them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from streamfer.training.faces.data import LabelledFaces, majority_class
from streamfer.training.faces.landmarks import LandmarkCache, align_pictures, picture_key
from streamfer.types import UInt8Array

_HELD_OUT_OF = 32
"""One picture in this many of the training data is kept back for calibration."""


@dataclass(frozen=True, slots=True, eq=False)
class AlignedFaces:
    """Aligned faces with their labels, row by row as the files had them."""

    crops: UInt8Array = field(repr=False)
    """(n, 64, 64) uint8 gray."""
    fer2013: NDArray[np.int64] = field(repr=False)
    """(n,) the data set's own label, or −1."""
    ferplus: NDArray[np.int64] = field(repr=False)
    """(n,) the label most voted for in FER+, or −1."""
    names: tuple[str, ...] = field(repr=False)


def aligned(faces: LabelledFaces, cache: LandmarkCache) -> AlignedFaces:
    """Aligns faces by a cache that was completed for them."""
    return AlignedFaces(
        crops=align_pictures(faces.pictures, cache),
        fer2013=faces.classes,
        ferplus=majority_class(faces.votes),
        names=faces.names,
    )


def split_held_out(faces: LabelledFaces) -> tuple[LabelledFaces, LabelledFaces]:
    """(held out, kept): by content, so that copies of a picture stay on one side.

    The rule by which the classifier was trained, so what is held out is new to its trunk.
    """
    bucket = np.array([picture_key(p)[0] % _HELD_OUT_OF for p in faces.pictures])
    return faces.subset(np.flatnonzero(bucket == 0)), faces.subset(np.flatnonzero(bucket))
