"""Crowds of real faces on textures, with known places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import pyarrow.parquet as pq

from streamfer.types import Detection, FloatArray, UInt8Array
from tests.support.shared import shared_file

Faces = Literal["photographs", "fer2013"]

_COLUMNS, _ROWS = 12, 6
_COUNT = _COLUMNS * _ROWS
_WIDTH, _HEIGHT = 1920, 1080


@dataclass(frozen=True, slots=True, eq=False)
class Crowd:
    """72 faces in one HD picture."""

    image: UInt8Array
    squares_xyxy: FloatArray
    """(72, 4) px, the picture of each face; the face fills most of it."""


def crowd(face_px: int, faces: Faces = "photographs", seed: int = 0) -> Crowd:
    """Gray squares of `face_px` pixels, filled by a face each, on coloured noise.

    Args:
        face_px: side of the squares.
        faces: those of `data/persons`, sharp at 144 px, or FER2013's, of 48 px, some of them
            turned away, covered or blurred.
        seed: chooses faces, places and noise.
    """
    rng = np.random.default_rng(seed)
    image, squares = empty_place(seed), []
    chosen = _photographs(rng) if faces == "photographs" else _fer2013(rng)
    for place, face in enumerate(chosen):
        row, column = divmod(place, _COLUMNS)
        smaller = face_px < face.shape[0]
        scaled = cv2.resize(
            face, (face_px, face_px), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
        )
        x = column * _WIDTH // _COLUMNS + int(rng.integers(4, _WIDTH // _COLUMNS - face_px - 4))
        y = row * _HEIGHT // _ROWS + int(rng.integers(4, _HEIGHT // _ROWS - face_px - 4))
        image[y : y + face_px, x : x + face_px] = scaled[:, :, None]
        squares.append([x, y, x + face_px, y + face_px])
    return Crowd(image, np.array(squares, dtype=np.float32))


def empty_place(seed: int = 0) -> UInt8Array:
    """The same place without people: noise of several sizes, (1080, 1920, 3) uint8 RGB."""
    rng = np.random.default_rng(1000 + seed)
    total = np.zeros((_HEIGHT, _WIDTH, 3), dtype=np.float32)
    for cell in (4, 16, 64, 256):
        shape = _HEIGHT // cell + 2, _WIDTH // cell + 2, 3
        coarse = rng.uniform(0, 64, shape).astype(np.float32)
        total += cv2.resize(coarse, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_CUBIC)
    return total.clip(0, 255).astype(np.uint8)


def count_found(faces: Sequence[Detection], squares_xyxy: FloatArray) -> tuple[int, int]:
    """How many squares have a face whose middle lies in them, and how many faces are left over."""
    boxes = np.array([face.box_xyxy for face in faces], dtype=np.float32).reshape(-1, 4)
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    inside = (middle[None] >= squares_xyxy[:, None, :2]) & (
        middle[None] <= squares_xyxy[:, None, 2:]
    )
    hits = inside.all(axis=2)
    found = int(hits.any(axis=1).sum())
    return found, len(faces) - found


def _photographs(rng: np.random.Generator) -> list[UInt8Array]:
    """(144, 144) uint8 each."""
    table = pq.read_table(shared_file("data/persons/same_person.parquet"), columns=["image"])
    rows = rng.permutation(len(table))[:_COUNT].tolist()
    return [_decoded(table["image"][row].as_py()) for row in rows]


def _fer2013(rng: np.random.Generator) -> list[UInt8Array]:
    """(48, 48) uint8 each, of those that no annotator called anything else than a face."""
    table = pq.read_table(
        shared_file("data/fer/public_test.parquet"), columns=["image", "ferplus_votes"]
    )
    votes = np.array(table["ferplus_votes"].to_pylist())
    rows = rng.permutation(np.flatnonzero(votes[:, 8:].sum(axis=1) == 0))[:_COUNT].tolist()
    return [_decoded(table["image"][row].as_py()) for row in rows]


def _decoded(encoded: bytes) -> UInt8Array:
    return cv2.imdecode(np.frombuffer(encoded, dtype=np.uint8), cv2.IMREAD_GRAYSCALE)
