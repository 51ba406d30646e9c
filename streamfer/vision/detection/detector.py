"""What every face detector is, and what the detectors of this package have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from streamfer.engine import Engine
from streamfer.geometry import clip_boxes
from streamfer.types import Detection, FloatArray, UInt8Array
from streamfer.vision.detection.scaling import network_input
from streamfer.vision.detection.search import Search, WholeSearch
from streamfer.vision.detection.search_plan import Look, SearchPlan, plan_search
from streamfer.vision.detection.smaller_looks import smaller_look
from streamfer.vision.detection.suppression import join_looks, non_maximum_suppression

LARGE_SHARE = 0.15
"""Of the picture's longer side: what is taken for so large a face seldom is none."""


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
    large_score_threshold: float | None = None
    """A lower one for those that fill `LARGE_SHARE`, in looks at the whole picture; None: no."""
    nms_iou: float = 0.3
    """Of two boxes that overlap by more than this, the better one stays."""
    min_face_px: float = 0.0
    """Faces whose longer side is shorter than this, in pixels of the frame, are dropped."""
    max_faces: int = 500
    """At most this many candidates enter the suppression, best first."""
    full_size: bool = False
    """Looks at larger pictures in tiles too, down to faces of `min_face_px`; see `search_plan`."""
    smaller_looks: bool = False
    """Looks again at smaller sizes where that may find large faces; see `smaller_looks`."""

    @property
    def lowest_score(self) -> float:
        """Below it no face is kept, whatever its size."""
        large = self.large_score_threshold
        return self.score_threshold if large is None else min(self.score_threshold, large)


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

Views = Sequence[tuple[int, Look]]
"""Which pictures to look at, and how."""
RunLooks = Callable[[Views], list[list[Detection]]]
"""Runs the network on parts of pictures; gives the faces of each, best score first, in pixels of
the picture."""
Found = list[tuple[Look, list[Detection]]]
"""What each look at one picture found."""


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

    def detect(
        self, images: Sequence[UInt8Array], searches: Sequence[Search] | None = None
    ) -> list[list[Detection]]:
        """Finds the faces of each picture; see `Detector.detect`.

        Args:
            images: (H, W, 3) uint8 RGB each.
            searches: where to look in each; None for everywhere.
        """
        sizes = [(image.shape[1], image.shape[0]) for image in images]
        return self.find(sizes, searches, lambda views: self._run(images, sizes, views))

    def find(
        self,
        sizes_wh: Sequence[tuple[int, int]],
        searches: Sequence[Search] | None,
        run: RunLooks,
    ) -> list[list[Detection]]:
        """Finds the faces of pictures, wherever they lie.

        Args:
            sizes_wh: of the pictures, in pixels.
            searches: where to look in each; None for everywhere.
            run: runs the network on parts of them.
        """
        chosen = searches or [WholeSearch()] * len(sizes_wh)
        plans = [self.plan(size_wh) for size_wh in sizes_wh]
        found: list[Found] = [[] for _ in sizes_wh]

        def look(views: Views) -> None:
            for (picture, view), faces in zip(views, run(views), strict=True):
                found[picture].append((view, faces))

        pictures = range(len(sizes_wh))
        look([(i, view) for i in pictures for view in chosen[i].first(plans[i])])
        look([(i, plans[i].base) for i in pictures if chosen[i].again(plans[i], found[i])])
        while self._config.smaller_looks and (views := _smaller_looks(plans, found)):
            look(views)
        pairs = zip(found, sizes_wh, strict=True)
        return [join_looks(each, self._config.nms_iou, size_wh) for each, size_wh in pairs]

    def plan(self, size_wh: tuple[int, int]) -> SearchPlan:
        """The looks at pictures of a size, (width, height) in pixels."""
        config = self._config
        smallest_px = max(config.min_face_px, 1.0) if config.full_size else None
        return plan_search(*size_wh, config.long_side, config.max_enlarge, smallest_px)

    def _run(
        self, images: Sequence[UInt8Array], sizes: Sequence[tuple[int, int]], views: Views
    ) -> list[list[Detection]]:
        found: list[list[Detection]] = [[] for _ in views]
        for network_wh, members in self._batches(views):
            pictures = network_input(
                [(images[views[m][0]], views[m][1]) for m in members], network_wh
            )
            outputs = self._engine.run({"images": pictures})
            for row, member in enumerate(members):
                places = places_above(outputs, row, self.score_output, self._config.lowest_score)
                picture, look = views[member]
                found[member] = self.faces_at(places, look, sizes[picture])
        return found

    def _batches(self, views: Views) -> Iterator[tuple[tuple[int, int], list[int]]]:
        """What runs at once: looks of one size on a GPU, one on a CPU. There several take as long
        as one after the other, within a tenth, and the memory that they need together, 65 MB for
        each at 640×384, is kept for ever."""
        for network_wh, members in by_network_size(views).items():
            most = 1 if self._engine.device == "cpu" else len(members)
            for start in range(0, len(members), most):
                yield network_wh, members[start : start + most]

    def faces_at(self, places: Places, look: Look, frame_wh: tuple[int, int]) -> list[Detection]:
        """The faces that a look found, best score first, from the network's answers."""
        candidates = self.decode(places, look.network_wh)
        return select_faces(candidates, look, frame_wh, self._config)

    def close(self) -> None:
        """Frees the engine; closing twice is fine."""
        self._engine.close()


def _smaller_looks(plans: Sequence[SearchPlan], found: Sequence[Found]) -> Views:
    wanted = [smaller_look(plan, each) for plan, each in zip(plans, found, strict=True)]
    return [(picture, view) for picture, view in enumerate(wanted) if view]


def by_network_size(views: Views) -> dict[tuple[int, int], list[int]]:
    """Width and height of the network's input → which of the looks have it."""
    groups: dict[tuple[int, int], list[int]] = {}
    for member, (_, look) in enumerate(views):
        groups.setdefault(look.network_wh, []).append(member)
    return groups


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


def select_faces(
    candidates: Candidates, look: Look, frame_wh: tuple[int, int], config: DetectorConfig
) -> list[Detection]:
    """Suppresses doubles, maps to the frame, clips, drops small and unsure ones; best first."""
    order = np.argsort(-candidates.scores, kind="stable")[: config.max_faces]
    boxes, points = candidates.boxes_xyxy[order], candidates.landmarks[order]
    scores = candidates.scores[order]
    keep = non_maximum_suppression(boxes, points, scores, config.nms_iou)
    landmarks = look.to_picture(points[keep]).astype(np.float32)
    if look.quarter_turns:  # what does not stand there is another look's concern
        upright = look.shows_upright(landmarks)
        keep, landmarks = keep[upright], landmarks[upright]
    boxes = clip_boxes(look.boxes_to_picture(boxes[keep]), *frame_wh)
    sizes = boxes[:, 2:] - boxes[:, :2]
    sides = sizes.max(axis=1)
    large = (sides >= LARGE_SHARE * max(frame_wh)) & look.whole
    sure = scores[keep] > np.where(large, config.lowest_score, config.score_threshold)
    kept = sure & (sides >= config.min_face_px) & (sizes.min(axis=1) > 0)
    return [
        Detection(box_xyxy=boxes[i], score=float(scores[keep[i]]), landmarks=landmarks[i])
        for i in np.flatnonzero(kept)
    ]
