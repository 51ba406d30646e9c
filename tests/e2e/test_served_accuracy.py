"""Do training and serving see the same faces? The answers through H.264 and the whole program."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import streamfer
from streamfer.labels import LABELS
from streamfer.models.fused import load_fused
from streamfer.models.shipped import SHIPPED
from streamfer.training.faces.data import NO_LABEL, LabelledFaces, majority_class
from streamfer.training.faces.landmarks import LandmarkCache, align_pictures
from streamfer.training.faces.sources import read_faces
from streamfer.types import UInt8Array
from tests.support.clips import ClipSpec, make_clip
from tests.support.shared import shared_file

_ROWS, _COLUMNS, _SIDE_PX = 3, 4, 160
_PER_FRAME = _ROWS * _COLUMNS


def _frames(faces: LabelledFaces) -> Iterator[UInt8Array]:
    """Faces enlarged and set three by four, (480, 640, 3) RGB."""
    for start in range(0, len(faces), _PER_FRAME):
        frame = np.zeros((_ROWS * _SIDE_PX, _COLUMNS * _SIDE_PX, 3), np.uint8)
        for place, picture in enumerate(faces.pictures[start : start + _PER_FRAME]):
            row, column = divmod(place, _COLUMNS)
            top, left = row * _SIDE_PX, column * _SIDE_PX
            large = cv2.resize(picture, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_CUBIC)
            frame[top : top + _SIDE_PX, left : left + _SIDE_PX] = large[:, :, None]
        yield frame


def _served_answers(clip: Path, count: int) -> NDArray[np.int64]:
    """Index into LABELS for each face, or NO_LABEL where the program found none."""
    answers = np.full(count, NO_LABEL, np.int64)
    for number, result in enumerate(streamfer.analyze(str(clip), detect_every="1")):
        for face in result.faces:
            x1, y1, x2, y2 = face.detection.box_xyxy
            column, row = int((x1 + x2) / 2 // _SIDE_PX), int((y1 + y2) / 2 // _SIDE_PX)
            answers[number * _PER_FRAME + row * _COLUMNS + column] = face.probs.argmax()
    return answers


# Of every fifth face, 675, the two readings differ by 2.7 points, of all of them by 2.5 at most.
@pytest.mark.parametrize("every", [3, pytest.param(1, marks=pytest.mark.slow)])
def test_served_faces_are_read_as_well_as_crops(every: int, tmp_path: Path) -> None:
    faces = read_faces(shared_file("data/fer/public_test.parquet"), "validation")
    labelled = np.flatnonzero(majority_class(faces.votes) != NO_LABEL)
    faces = faces.subset(labelled[::every])
    truth = majority_class(faces.votes)
    size = (_COLUMNS * _SIDE_PX, _ROWS * _SIDE_PX)
    clip = make_clip(tmp_path / "faces.mp4", ClipSpec(size=size), _frames(faces))

    served = _served_answers(clip, len(faces))

    cache = LandmarkCache()
    cache.complete(faces.pictures)
    crops = align_pictures(faces.pictures, cache)
    network = load_fused(SHIPPED.classifier, SHIPPED.encoder, SHIPPED.fused_heads).eval()
    with torch.inference_mode():
        from_crops = [network(batch)[0].argmax(dim=1) for batch in torch.tensor(crops).split(256)]
    read = torch.cat(from_crops).numpy()
    found = served != NO_LABEL
    assert found.mean() > 0.96
    # A face that was not found was not read: it counts as wrong.
    assert (served == truth).mean() > (read == truth).mean() - 0.025
    assert len(np.unique(served[found])) > len(LABELS) // 2
