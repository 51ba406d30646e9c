from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from streamfer.app.networks.models import BetterNetwork, Models
from streamfer.app.networks.takeover import ServingNetworks, SharedAnalyzer
from streamfer.engine import Engine
from streamfer.pipeline.analyzer import Analyzer
from streamfer.pipeline.stats.stats import RunStatistics
from streamfer.types import Frame, StreamEvent
from streamfer.vision.detection.detector import Detector
from streamfer.vision.face_reader import HostFaceReader
from tests.support.analysed import make_frame
from tests.support.detectors import FakeDetector
from tests.support.engines import FakeEngine
from tests.support.results import probabilities

BUILDER = "engine builder"
Open = Callable[[threading.Event, Iterable[tuple[int, int]]], Detector | Engine]


class Finder(FakeDetector):
    """A detector that notes when it was closed."""

    closed = 0

    def close(self) -> None:
        self.closed += 1


def reader(
    backend: str, emotion: str, on_run: Callable[[int], None] = lambda n: None
) -> FakeEngine:
    """A face engine that always answers the same; `on_run` gets the number of each run."""

    def answer(inputs):  # type: ignore[no-untyped-def]
        on_run(len(engine.calls))
        probs = np.stack([probabilities(emotion)] * len(inputs["faces"]))
        return {"probs_ferplus": probs, "probs_fer2013": probs}

    engine = FakeEngine(answer)
    engine.backend = backend
    return engine


def better(part: Literal["detector", "face"], open_it: Open) -> BetterNetwork:
    return BetterNetwork(part, f"small {part}", "torch", "tensorrt", open_it)


def wait_for_builder() -> None:
    """Until everything is built."""
    for thread in threading.enumerate():
        if thread.name == BUILDER:
            thread.join(60)


class Desk:
    """An analyzer on networks that better ones take over; closes them with its `with` block."""

    def __init__(
        self,
        models: Models,
        wanted: Sequence[BetterNetwork] = (),
        sizes_wh: Iterable[tuple[int, int]] = (),
    ) -> None:
        models = replace(models, better=tuple(wanted) or models.better)
        self.events: list[StreamEvent] = []
        self.statistics = RunStatistics(lambda: 0.0, models.face.backend, models.face.device)
        self.networks = ServingNetworks(models)
        self.networks.build_better(sizes_wh)
        self.analyzer = SharedAnalyzer(
            Analyzer(HostFaceReader(models.detector, models.face)),
            self.networks,
            self.events.append,
            self.statistics,
        )

    def __enter__(self) -> Desk:
        return self

    def __exit__(self, *_: object) -> None:
        self.networks.close()

    def emotions(self, *frames: Frame) -> list[str]:
        """What the faces of these frames are said to show, from their own answers."""
        return [
            "happy" if face.probs[3] > 0.5 else "sad"
            for result in self.analyzer(frames)
            for face in result.faces
        ]

    def told(self, stream: str) -> list[dict[str, object]]:
        """The details of a stream's events."""
        assert {event.event for event in self.events} <= {"changed"}
        return [event.details for event in self.events if event.stream == stream]


def frame(index: int, stream: str = "cam") -> Frame:
    return make_frame(index, np.zeros((200, 240, 3), np.uint8), stream=stream)
