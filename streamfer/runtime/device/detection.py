"""Face detection on a device: only the places worth a look come back to the host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from streamfer.engine import Array
from streamfer.runtime.backends.graph_engine import GraphEngine
from streamfer.runtime.device.link import DeviceLink
from streamfer.runtime.device.pictures import DevicePictures
from streamfer.runtime.device.resize import Resizer
from streamfer.types import Detection
from streamfer.vision.detection.detector import (
    Detector,
    EngineDetector,
    Places,
    Views,
    by_network_size,
)
from streamfer.vision.detection.search import Search
from streamfer.vision.detection.search_plan import Look

_PLACE = "place"
"""Under which name `best_places` returns the places themselves."""


class DeviceDetection:
    """Runs a detector whose network sits on a device on pictures that lie there too.

    Args:
        detector: decodes what the network says.
        engine: the detector's network.
        link: to the device.
    """

    def __init__(self, detector: EngineDetector, engine: GraphEngine, link: DeviceLink) -> None:
        self._detector = detector
        self._engine = engine
        self._link = link
        self._resize = Resizer(link.device)

    def detect(
        self,
        pictures: DevicePictures,
        members: Sequence[int],
        searches: Sequence[Search] | None = None,
    ) -> list[list[Detection]]:
        """Finds the faces of some of the pictures; see `EngineDetector.detect`."""
        pictures.ensure(members)
        sizes = [pictures.sizes_wh[i] for i in members]
        return self._detector.find(
            sizes, searches, lambda views: self._run(pictures, members, sizes, views)
        )

    def _run(
        self,
        pictures: DevicePictures,
        members: Sequence[int],
        sizes: Sequence[tuple[int, int]],
        views: Views,
    ) -> list[list[Detection]]:
        groups = by_network_size(views)
        queued = [
            self._queue([_part(pictures, members, views[v]) for v in group], network_wh)
            for network_wh, group in groups.items()
        ]
        fetched = iter(self._link.fetch([t for best in queued for t in best.values()]))
        found: list[list[Detection]] = [[] for _ in views]
        for group, best in zip(groups.values(), queued, strict=True):
            answers = {name: next(fetched) for name in best}
            for row, view in enumerate(group):
                picture, look = views[view]
                places = self._places(answers, row)
                found[view] = self._detector.faces_at(places, look, sizes[picture])
        return found

    def _queue(self, pictures: Sequence[Tensor], network_wh: tuple[int, int]) -> dict[str, Tensor]:
        images = torch.stack([self._resize(picture, network_wh) for picture in pictures])
        outputs = self._engine.enqueue({"images": images})
        return best_places(outputs, self._detector.score_output, self._detector.config.max_faces)

    def _places(self, answers: Mapping[str, Array], row: int) -> Places:
        """Those of one picture that are above the detector's threshold."""
        scores = answers[self._detector.score_output][row, :, 0]
        good = scores > self._detector.config.lowest_score
        named = {name: values[row][good] for name, values in answers.items() if name != _PLACE}
        return Places(answers[_PLACE][row][good], named)


def _part(pictures: DevicePictures, members: Sequence[int], view: tuple[int, Look]) -> Tensor:
    """The part of a picture that a look shows, turned as it says, [HW3] uint8."""
    look = view[1]
    left, top, right, bottom = look.region_xyxy
    part = pictures.picture(members[view[0]])[top:bottom, left:right]
    return torch.rot90(part, look.quarter_turns) if look.quarter_turns else part


def device_detection(detector: Detector, link: DeviceLink) -> DeviceDetection | None:
    """The detector on the device, or None where its network runs elsewhere."""
    if not isinstance(detector, EngineDetector):
        return None
    engine = detector.engine
    if not isinstance(engine, GraphEngine) or engine.device != str(link.device):
        return None
    return DeviceDetection(detector, engine, link)


def best_places(outputs: Mapping[str, Tensor], score_output: str, count: int) -> dict[str, Tensor]:
    """The places with the best scores of each picture, best first; nothing waits for the device.

    Args:
        outputs: of a detector's network: maps [NCHW], or values per anchor [NA] or [NAC].
        score_output: the one that holds the scores, a single one per place.
        count: K; places wanted, or fewer if there are not as many.

    Returns:
        For each output its values there, [NKC], and under `place` their numbers, [NK].
    """
    rows = {name: _rows(values) for name, values in outputs.items()}
    scores = rows[score_output][:, :, 0]
    place = scores.topk(min(count, scores.shape[1]), dim=1).indices
    best = {
        name: values.gather(1, place[:, :, None].expand(-1, -1, values.shape[2]))
        for name, values in rows.items()
    }
    return best | {_PLACE: place}


def _rows(values: Tensor) -> Tensor:
    """[NPC]: the answers place by place."""
    if values.ndim == 4:
        return values.flatten(2).transpose(1, 2)
    return values[:, :, None] if values.ndim == 2 else values
