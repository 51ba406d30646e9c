"""Near-duplicates between training and test pictures, by perceptual hashes.

The hash is the sign of the low frequencies of a picture's cosine transform (as in Zauner, 2010):
it survives recompression, small shifts and light, and does not show the face.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from streamfer.types import UInt8Array

HASH_BYTES = 16

NEAR_DUPLICATE_BITS = 22
"""Of PublicTest's nearest training pictures, all that were looked at with up to 22 different bits
show the same photograph, cropped or marked differently; at 26 bits every third is another."""

_SIDE = 32
_FREQUENCIES = 12
_BITS = HASH_BYTES * 8
_CHUNK = 256

Hashes = NDArray[np.uint64]
"""(n, 2): 128 bits each."""


def perceptual_hash(picture: UInt8Array) -> UInt8Array:
    """(16,) uint8: 128 bits of a (H, W) uint8 gray picture."""
    small = cv2.resize(picture, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    spectrum = cv2.dct(small.astype(np.float32))[:_FREQUENCIES, :_FREQUENCIES]
    # Zigzag: the lowest frequencies first, the mean left out.
    rows, columns = np.indices(spectrum.shape)
    order = np.lexsort((rows.ravel(), (rows + columns).ravel()))[1 : _BITS + 1]
    return np.packbits(spectrum.ravel()[order] > 0)


def hash_pictures(pictures: Sequence[UInt8Array]) -> Hashes:
    """Hashes of (H, W) uint8 gray pictures."""
    rows = np.array([perceptual_hash(p) for p in pictures], np.uint8)
    return rows.reshape(-1, HASH_BYTES).view(np.uint64)


def near_duplicates(
    test: Hashes, training: Hashes, max_bits: int = NEAR_DUPLICATE_BITS
) -> NDArray[np.bool_]:
    """(n,) whether some training picture differs in at most `max_bits` of the 128 bits."""
    found = np.zeros(len(test), dtype=bool)
    for start in range(0, len(test), _CHUNK):
        part = test[start : start + _CHUNK, None, :]
        distance = np.zeros((len(part), len(training)), dtype=np.uint8)
        for word in range(part.shape[2]):
            distance += np.bitwise_count(part[:, :, word] ^ training[None, :, word])
        found[start : start + _CHUNK] = (distance <= max_bits).any(axis=1)
    return found
