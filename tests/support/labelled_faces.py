"""Small labelled sets of drawn faces, in every file format that training reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from streamfer.training.faces.data import FERPLUS_TO_LABELS, LabelledFaces
from streamfer.types import UInt8Array


def drawn_face(label: int, seed: int, side: int = 48) -> UInt8Array:
    """(side, side) uint8: a cartoon whose brows and mouth depend on the class."""
    rng = np.random.default_rng((label, seed))
    face = np.full((48, 48), int(rng.integers(20, 90)), np.uint8)
    cv2.ellipse(face, (24, 24), (17, 21), 0, 0, 360, int(rng.integers(150, 240)), -1)
    cv2.circle(face, (16, 19), 2 + label % 2, 30, -1)
    cv2.circle(face, (32, 19), 2 + label % 2, 30, -1)
    cv2.ellipse(face, (24, 35), (7, 1 + label), 0, 0, 180 + 25 * label, 40, 2)
    # Photographs of different people differ in the large; drawings alone are near-duplicates.
    scene = cv2.resize(rng.uniform(-70, 70, (12, 12)), (48, 48), interpolation=cv2.INTER_CUBIC)
    noise = rng.normal(0, 4, face.shape)
    noisy = np.clip(face * 0.6 + 50 + scene + noise, 0, 255).astype(np.uint8)
    return noisy if side == 48 else cv2.resize(noisy, (side, side))


def votes_for(label: int, rest: int | None = None) -> list[int]:
    """Ten FER+ votes: eight for a class, two for another."""
    votes = [0] * 10
    votes[FERPLUS_TO_LABELS[label]] += 8
    votes[FERPLUS_TO_LABELS[label if rest is None else rest]] += 2
    return votes


def drawn_set(count: int, seed: int = 0) -> LabelledFaces:
    """`count` drawn faces, classes in turn."""
    labels = [row % 7 for row in range(count)]
    return LabelledFaces(
        pictures=tuple(drawn_face(label, seed + row) for row, label in enumerate(labels)),
        classes=np.array(labels, np.int64),
        votes=np.array([votes_for(label) for label in labels], np.float32),
        names=tuple(f"face {row}" for row in range(count)),
    )


def write_parquet(path: Path, faces: LabelledFaces) -> Path:
    """Writes faces in the columns of FER2013 with FER+ votes."""
    encoded = [cv2.imencode(".png", picture)[1].tobytes() for picture in faces.pictures]
    table = pa.table(
        {
            "image": pa.array(encoded, pa.binary()),
            "fer2013_label": pa.array(faces.classes.tolist(), pa.int8()),
            "ferplus_votes": pa.array(faces.votes.astype(int).tolist(), pa.list_(pa.int8())),
            "name": pa.array(list(faces.names)),
        }
    )
    pq.write_table(table, path)
    return path


def write_tree(root: Path, files: Sequence[tuple[str, int]], side: int = 48) -> Path:
    """Writes drawn faces as PNG: (path below the root, class)."""
    for seed, (name, label) in enumerate(files):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), drawn_face(label, seed, side))
    return root
