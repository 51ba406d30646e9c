"""RetinaFace: anchor-based face detection with five landmarks.

Deng et al., "RetinaFace: Single-Shot Multi-Level Face Localisation in the Wild" (CVPR 2020); the
anchors and their coding are SSD's (Liu et al., 2016), with the sizes of the published files.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from streamfer.engine import Engine
from streamfer.types import FloatArray
from streamfer.vision.detection.detector import Candidates, DetectorConfig, EngineDetector, Places

AnchorSizes = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]

ANCHOR_SIZES: dict[str, AnchorSizes] = {
    "mobilenet0.25": ((10, 20), (32, 64), (128, 256)),
    "resnet50": ((16, 32), (64, 128), (256, 512)),
}
"""Sides in network pixels of the two square anchors per cell at strides 8, 16 and 32."""

_STRIDES_PX = (8, 16, 32)
_CENTRE_VARIANCE = 0.1
_SIZE_VARIANCE = 0.2
"""Factors by which the training divided offsets of centres and logarithms of sizes."""


@dataclass(frozen=True, slots=True)
class RetinaFaceConfig(DetectorConfig):
    """Sizes and thresholds of RetinaFace."""

    nms_iou: float = 0.4


class RetinaFace(EngineDetector):
    """The RetinaFace detector.

    Args:
        engine: an engine of `streamfer.models.retinaface.ServedRetinaFace`.
        anchor_sizes: those that the network was trained with, from ANCHOR_SIZES.
        config: sizes and thresholds.
    """

    score_output = "scores"

    def __init__(
        self,
        engine: Engine,
        anchor_sizes: AnchorSizes,
        config: DetectorConfig | None = None,
    ) -> None:
        super().__init__(engine, config or RetinaFaceConfig())
        self._anchor_sizes = anchor_sizes

    def decode(self, places: Places, network_wh: tuple[int, int]) -> Candidates:
        """See `EngineDetector.decode`."""
        return decode_retinaface(places, make_anchors(*network_wh, self._anchor_sizes))


@functools.lru_cache(maxsize=16)
def make_anchors(width: int, height: int, sizes: AnchorSizes) -> FloatArray:
    """Centre x, centre y and side of every anchor, (A, 3) float32 network pixels.

    They follow the order of the network's outputs: strides, rows, columns, sizes.
    """
    levels = []
    for stride, pair in zip(_STRIDES_PX, sizes, strict=True):
        y, x, side = np.meshgrid(
            (np.arange(height // stride) + 0.5) * stride,
            (np.arange(width // stride) + 0.5) * stride,
            np.array(pair),
            indexing="ij",
        )
        levels.append(np.stack([x, y, side], axis=-1).reshape(-1, 3))
    return np.concatenate(levels).astype(np.float32)


def decode_retinaface(places: Places, anchors: FloatArray) -> Candidates:
    """Reads faces from the network's answers at some anchors.

    Args:
        places: of `scores`, with its answers: `boxes` (n, 4) offsets of centre and log size;
            `scores` (n, 1) in 0–1; `landmarks` (n, 10) offsets of x and y of each point.
        anchors: (A, 3) from `make_anchors`, all of them.
    """
    centres, sides = anchors[places.index, :2], anchors[places.index, 2:]
    offsets = places.answers["boxes"]
    box_centres = centres + offsets[:, :2] * _CENTRE_VARIANCE * sides
    half_sizes = sides * np.exp(offsets[:, 2:] * _SIZE_VARIANCE) / 2
    points = places.answers["landmarks"].reshape(-1, 5, 2)
    landmarks = centres[:, None] + points * _CENTRE_VARIANCE * sides[:, None]
    boxes = np.concatenate([box_centres - half_sizes, box_centres + half_sizes], axis=1)
    return Candidates(
        boxes_xyxy=boxes.astype(np.float32),
        scores=places.answers["scores"][:, 0].astype(np.float32),
        landmarks=landmarks.astype(np.float32),
    )
