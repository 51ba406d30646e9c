"""What every face detector is, and what the detectors of this package have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from streamfer.engine import Engine
from streamfer.geometry import box_iou, clip_boxes
from streamfer.types import Detection, FloatArray, UInt8Array
from streamfer.vision.detection.second_look import join_looks, leaves_doubt, second_size


class Detector(Protocol):
    """Finds the faces in pictures. Used by one thread at a time."""

    @property
    def name(self) -> str:
        """The detector's name, such as `centerface`."""
        ...

    @property
    def sha256(self) -> str:
        """SHA-256 (hex) of its model file."""
        ...

    def detect(self, images: Sequence[UInt8Array]) -> list[list[Detection]]:
        """Finds the faces of each picture.

        Args:
            images: (H, W, 3) uint8 RGB each; they may differ in size.

        Returns:
            For each picture its faces, best score first, in pixels of that picture; boxes lie
            within it, landmarks may lie a little outside.

        Raises:
            EngineError: the engine failed.
        """
        ...

    def close(self) -> None:
        """Frees the engine; closing twice is fine."""
        ...


@dataclass(frozen=True, slots=True)
class DetectorConfig:
    """What all detectors of this package let one set."""

    long_side: int = 640
    """The network's input: pixels of its longer side, at most; it is rounded down to a
    multiple of 32."""
    max_enlarge: float = 2.0
    """A picture smaller than `long_side` is enlarged by at most this factor."""
    score_threshold: float = 0.5
    """Faces below this score are dropped."""
    nms_iou: float = 0.3
    """Of two boxes that overlap by more than this, the better one stays."""
    min_face_px: float = 0.0
    """Faces whose longer side is shorter than this, in pixels of the frame, are dropped."""
    max_faces: int = 500
    """At most this many candidates enter the suppression, best first."""
    second_look: bool = False
    """Looks again at half the size where that may find large faces; see `second_look`."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Decoded but not yet suppressed faces of one picture, in network pixels."""

    boxes_xyxy: FloatArray
    """(n, 4) float32."""
    scores: FloatArray
    """(n,) float32, 0–1."""
    landmarks: FloatArray
    """(n, 5, 2) float32, x and y."""


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """The places of one picture, cells or anchors, that are worth a look."""

    index: NDArray[np.intp]
    """(n,) places, counted in the order of the network's score output."""
    answers: Mapping[str, FloatArray]
    """Output → (n, C) float32: what the network says there."""


Outputs = Mapping[str, NDArray[Any]]
"""What the network gave for a batch, by name: maps (N, C, h, w), or values per anchor (N, A) or
(N, A, C)."""

_STRIDE = 32
"""Coarsest feature map of the networks: their input sides are multiples of it."""


def network_size(
    width: int, height: int, long_side: int, max_enlarge: float = 1.0
) -> tuple[int, int]:
    """(width, height) of the network's input for a picture of width × height pixels.

    Both are multiples of 32, so the picture is stretched by a few per cent; boxes are mapped back
    with a factor for each axis.
    """
    largest = max(long_side // _STRIDE, 1) * _STRIDE
    scale = min(largest / max(width, height), max_enlarge)
    wide, high = (max(round(side * scale / _STRIDE), 1) * _STRIDE for side in (width, height))
    return min(wide, largest), min(high, largest)


def non_maximum_suppression(
    boxes_xyxy: FloatArray, scores: FloatArray, iou_threshold: float
) -> NDArray[np.intp]:
    """Indices of the boxes that no better box overlaps too much, best first.

    Args:
        boxes_xyxy: (n, 4) px.
        scores: (n,) float32.
        iou_threshold: overlap above which the worse box goes.
    """
    order = np.argsort(-scores, kind="stable")
    overlaps = box_iou(boxes_xyxy[order], boxes_xyxy[order]) > iou_threshold
    alive = np.ones(len(order), dtype=bool)
    for rank in range(len(order)):
        if alive[rank]:
            alive[rank + 1 :] &= ~overlaps[rank, rank + 1 :]
    return order[alive]


Groups = dict[tuple[int, int], list[int]]
"""Width and height of the network's input → which of the pictures come to it."""
Look = Callable[[Groups], list[list[Detection]]]
"""Runs the network on some of the pictures; gives the faces of every picture, best score first,
none for those that it did not look at."""


class EngineDetector(ABC):
    """A detector that runs one network on whole pictures and decodes its outputs.

    Args:
        engine: network with one input, `images` (N, H, W, 3) uint8 RGB, H and W multiples of 32.
        config: sizes and thresholds.
    """

    def __init__(self, engine: Engine, config: DetectorConfig) -> None:
        self._engine = engine
        self._config = config

    score_output: ClassVar[str]
    """The network's output that holds the scores."""

    @abstractmethod
    def decode(self, places: Places, network_wh: tuple[int, int]) -> Candidates:
        """Reads the faces of one picture from the network's answers at some places."""

    @property
    def engine(self) -> Engine:
        """The network."""
        return self._engine

    @property
    def config(self) -> DetectorConfig:
        """Sizes and thresholds."""
        return self._config

    @property
    def name(self) -> str:
        """The model's name."""
        return self._engine.name

    @property
    def sha256(self) -> str:
        """SHA-256 (hex) of the model file."""
        return self._engine.sha256

    def detect(self, images: Sequence[UInt8Array]) -> list[list[Detection]]:
        """Finds the faces of each picture; see `Detector.detect`."""
        sizes = [(image.shape[1], image.shape[0]) for image in images]
        return self.find(sizes, lambda groups: self._look(images, sizes, groups))

    def find(self, sizes_wh: Sequence[tuple[int, int]], look: Look) -> list[list[Detection]]:
        """Finds the faces of pictures in one look, or two where the configuration says so.

        Args:
            sizes_wh: of the pictures, in pixels.
            look: runs the network on pictures at the sizes given.
        """
        groups = self._by_network_size(sizes_wh)
        found = look(groups)
        if not self._config.second_look:
            return found
        scales = {i: wh[0] / sizes_wh[i][0] for wh, members in groups.items() for i in members}
        again: Groups = {}
        for network_wh, members in groups.items():
            doubtful = [i for i in members if leaves_doubt(found[i], scales[i])]
            half = second_size(network_wh)
            if doubtful and half is not None:
                again.setdefault(half, []).extend(doubtful)
        second = look(again)
        for index in (i for members in again.values() for i in members):
            found[index] = join_looks(
                found[index], second[index], scales[index], self._config.nms_iou
            )
        return found

    def _look(
        self, images: Sequence[UInt8Array], sizes: Sequence[tuple[int, int]], groups: Groups
    ) -> list[list[Detection]]:
        found: list[list[Detection]] = [[] for _ in images]
        for network_wh, members in self._batches(groups):
            pictures = _stack([images[i] for i in members], network_wh)
            outputs = self._engine.run({"images": pictures})
            for row, index in enumerate(members):
                places = places_above(outputs, row, self.score_output, self._config.score_threshold)
                found[index] = self.faces_at(places, network_wh, sizes[index])
        return found

    def _batches(self, groups: Groups) -> Iterator[tuple[tuple[int, int], list[int]]]:
        """What runs at once: a group on a GPU, a picture on a CPU. There several take as long as
        one after the other, within a tenth, and the memory that they need together, 65 MB for each
        at 640×384, is kept for ever."""
        for network_wh, members in groups.items():
            most = 1 if self._engine.device == "cpu" else len(members)
            for start in range(0, len(members), most):
                yield network_wh, members[start : start + most]

    def _by_network_size(self, sizes_wh: Sequence[tuple[int, int]]) -> Groups:
        config = self._config
        groups: Groups = {}
        for index, (width, height) in enumerate(sizes_wh):
            size = network_size(width, height, config.long_side, config.max_enlarge)
            groups.setdefault(size, []).append(index)
        return groups

    def faces_at(
        self, places: Places, network_wh: tuple[int, int], frame_wh: tuple[int, int]
    ) -> list[Detection]:
        """The faces of one picture, best score first, from the network's answers."""
        candidates = self.decode(places, network_wh)
        return select_faces(candidates, network_wh, frame_wh, self._config)

    def close(self) -> None:
        """Frees the engine; closing twice is fine."""
        self._engine.close()


def places_above(outputs: Outputs, picture: int, score_output: str, threshold: float) -> Places:
    """The places of one picture whose score exceeds a threshold.

    Args:
        outputs: of the network, for a batch.
        picture: which picture of the batch.
        score_output: the output that holds the scores.
        threshold: on them.
    """
    index = np.flatnonzero(outputs[score_output][picture] > threshold)
    answers = {name: _rows(values[picture], index) for name, values in outputs.items()}
    return Places(index, answers)


def _rows(values: NDArray[Any], index: NDArray[np.intp]) -> FloatArray:
    """(n, C): one picture's answers (C, h, w), (A,) or (A, C) at some places."""
    if values.ndim == 3:
        return values.reshape(len(values), -1)[:, index].T
    return values.reshape(len(values), -1)[index]


def _stack(images: Sequence[UInt8Array], size_wh: tuple[int, int]) -> UInt8Array:
    """The pictures at the network's size, (N, H, W, 3) uint8."""
    width, height = size_wh
    batch = np.empty((len(images), height, width, 3), dtype=np.uint8)
    for row, image in zip(batch, images, strict=True):
        if image.shape == row.shape:
            row[...] = image
            continue
        # Averaging keeps small faces when shrinking; enlarging wants interpolation.
        shrinking = image.shape[1] > width or image.shape[0] > height
        interpolation = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
        cv2.resize(image, size_wh, dst=row, interpolation=interpolation)
    return batch


def select_faces(
    candidates: Candidates,
    network_wh: tuple[int, int],
    frame_wh: tuple[int, int],
    config: DetectorConfig,
) -> list[Detection]:
    """Suppresses doubles, maps to the frame, clips, drops small ones; best score first."""
    order = np.argsort(-candidates.scores, kind="stable")[: config.max_faces]
    boxes, scores = candidates.boxes_xyxy[order], candidates.scores[order]
    keep = non_maximum_suppression(boxes, scores, config.nms_iou)
    factors = np.array(frame_wh, dtype=np.float32) / np.array(network_wh, dtype=np.float32)
    boxes = clip_boxes(boxes[keep] * np.tile(factors, 2), *frame_wh)
    landmarks = (candidates.landmarks[order][keep] * factors).astype(np.float32)
    sizes = boxes[:, 2:] - boxes[:, :2]
    large = (sizes.max(axis=1) >= config.min_face_px) & (sizes.min(axis=1) > 0)
    return [
        Detection(box_xyxy=boxes[i], score=float(scores[keep[i]]), landmarks=landmarks[i])
        for i in np.flatnonzero(large)
    ]
