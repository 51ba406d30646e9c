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
        close = _bits_apart(test[start : start + _CHUNK], training) <= max_bits
        found[start : start + _CHUNK] = close.any(axis=1)
    return found


def duplicate_groups(
    hashes: Hashes,
    groups: NDArray[np.int64] | None = None,
    max_bits: int = NEAR_DUPLICATE_BITS,
) -> NDArray[np.int64]:
    """(n,) group of each picture, from 0: near-duplicates are together, and theirs in turn.

    Args:
        hashes: of the pictures.
        groups: (n,) what belongs together besides, such as the pictures of one person.
        max_bits: by how many of the 128 bits near-duplicates may differ.
    """
    group = np.arange(len(hashes))
    if groups is not None:
        _, first, members = np.unique(groups, return_index=True, return_inverse=True)
        group = first[members]
    for start in range(0, len(hashes), _CHUNK):
        close = _bits_apart(hashes[start : start + _CHUNK], hashes) <= max_bits
        for row, column in zip(*np.nonzero(close), strict=True):
            mine, theirs = group[start + row], group[column]
            if mine != theirs:
                group[group == theirs] = mine
    return np.unique(group, return_inverse=True)[1].astype(np.int64)


def _bits_apart(part: Hashes, others: Hashes) -> UInt8Array:
    """(n, m) uint8: in how many bits each of the part differs from each of the others."""
    distance = np.zeros((len(part), len(others)), dtype=np.uint8)
    for word in range(part.shape[1]):
        distance += np.bitwise_count(part[:, None, word] ^ others[None, :, word])
    return distance
