from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from streamfer.app.cli.run import run
from streamfer.app.config import RunConfig
from streamfer.app.networks.face_model import face_model
from streamfer.app.networks.models import BetterNetwork, Models, open_models
from streamfer.app.networks.takeover import BackgroundBuilds, ServingNetworks, SharedAnalyzer
from streamfer.engine import Engine, TensorSpec
from streamfer.errors import EngineError
from streamfer.models.shipped import SHIPPED
from streamfer.pipeline.analyzer import Analyzer
from streamfer.pipeline.stats.stats import RunStatistics
from streamfer.runtime.hardware import Gpu
from streamfer.runtime.planning import find_machine
from streamfer.runtime.self_check import sample_inputs
from streamfer.runtime.store.store import EngineStore
from streamfer.types import Frame, StreamEvent
from streamfer.vision.detection.detector import Detector
from streamfer.vision.face_reader import HostFaceReader
from tests.support.analysed import make_frame
from tests.support.clips import ClipSpec, make_clip
from tests.support.detectors import FakeDetector
from tests.support.engines import FakeEngine
from tests.support.fake_tensorrt import VERSIONS, FakeTensorRT
from tests.support.program import frame_records, record_lines
from tests.support.queues import HostQueue
from tests.support.results import detection, probabilities

Open = Callable[[threading.Event, Iterable[tuple[int, int]]], Detector | Engine]
BUILDER = "engine builder"


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
            thread.join(10)


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


COMPILING = {"network": "small face", "backend": "torch", "compiling": "tensorrt"}
TAKEN_OVER = {"network": "small face", "backend": "tensorrt"}


def test_the_next_batch_goes_to_the_better_engine() -> None:
    old, new = reader("torch", "happy"), reader("tensorrt", "sad")
    go = threading.Event()

    def open_it(cancelled: threading.Event, sizes: Iterable[tuple[int, int]]) -> FakeEngine:
        assert list(sizes) == [(640, 360)]
        assert go.wait(10)
        return new

    models = Models(FakeDetector(detection()), old)
    with Desk(models, [better("face", open_it)], [(640, 360)]) as desk:
        assert desk.emotions(frame(0), frame(0, "door")) == ["happy", "happy"]
        assert desk.statistics.snapshot().backend == "torch"
        go.set()
        wait_for_builder()
        assert (old.closed, len(new.calls)) == (0, 0)  # not in the middle of anything
        assert desk.emotions(frame(1), frame(1, "door")) == ["sad", "sad"]
        assert old.closed == 1
        assert desk.statistics.snapshot().backend == "tensorrt"
        assert desk.told("cam") == desk.told("door") == [COMPILING, TAKEN_OVER]
        assert [event.time_s for event in desk.events] == [0.0, 0.0, 0.04, 0.04]
        assert desk.emotions(frame(2)) == ["sad"]
        assert len(desk.events) == 4
        assert new.closed == 0
    assert new.closed == 1


def test_a_detector_is_taken_over_too() -> None:
    old, new = Finder(), Finder(detection(), detection(20, 20))
    models = Models(old, reader("torch", "happy"))
    with Desk(models, [better("detector", lambda *_: new)]) as desk:
        wait_for_builder()
        assert len(desk.emotions(frame(0))) == 2
        assert (old.closed, new.closed) == (1, 0)
    assert new.closed == 1


def test_one_network_after_the_other() -> None:
    order: list[str] = []
    face, finder = reader("tensorrt", "sad"), Finder(detection())

    def opener(name: str, network: Detector | Engine) -> Open:
        def open_it(*_: object) -> Detector | Engine:
            order.append(name)
            return network

        return open_it

    wanted = [better("detector", opener("detector", finder)), better("face", opener("face", face))]
    with Desk(
        replace(Models(Finder(), reader("torch", "happy")), better=tuple(wanted)), []
    ) as desk:
        wait_for_builder()
        assert desk.emotions(frame(0)) == ["sad"]
    assert order == ["detector", "face"]


def test_a_build_that_fails_leaves_what_serves_with_one_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    old = reader("torch", "happy")

    def open_it(*_: object) -> FakeEngine:
        raise EngineError("small face: TensorRT cannot compile it: Out of memory")

    with Desk(Models(FakeDetector(detection()), old), [better("face", open_it)]) as desk:
        wait_for_builder()
        with caplog.at_level(logging.WARNING):
            for index in range(3):
                assert desk.emotions(frame(index)) == ["happy"]
        assert old.closed == 0
    (warning,) = caplog.messages
    assert warning == (
        "small face: TensorRT cannot compile it: Out of memory; torch goes on serving"
    )
    message = "small face: TensorRT cannot compile it: Out of memory"
    failed = {"network": "small face", "backend": "torch", "message": message}
    assert desk.told("cam") == [COMPILING, failed]


def test_a_run_that_ends_gives_the_build_up(caplog: pytest.LogCaptureFixture) -> None:
    def open_it(cancelled: threading.Event, sizes: object) -> FakeEngine:
        assert cancelled.wait(10)
        raise EngineError("cancelled")

    never: list[str] = []
    wanted = [better("face", open_it), better("face", lambda *_: never.append("opened"))]  # type: ignore[arg-type, return-value]
    with Desk(
        replace(Models(FakeDetector(detection()), reader("torch", "happy")), better=tuple(wanted)),
        [],
    ) as desk:
        assert desk.emotions(frame(0)) == ["happy"]
    assert never == []
    assert caplog.messages == []


def test_what_is_built_too_late_is_closed() -> None:
    new = reader("tensorrt", "sad")
    with BackgroundBuilds([better("face", lambda *_: new)], []):
        wait_for_builder()
    assert new.closed == 1


def test_a_compiler_that_is_busy_does_not_hold_the_end(caplog: pytest.LogCaptureFixture) -> None:
    done = threading.Event()
    new = reader("tensorrt", "sad")

    def open_it(*_: object) -> FakeEngine:
        assert done.wait(10)
        return new

    with BackgroundBuilds([better("face", open_it)], [], stop_timeout_s=0.0):
        pass
    assert caplog.messages == ["engine builder does not answer; the run ends without it"]
    done.set()
    wait_for_builder()
    assert new.closed == 1


def test_a_stream_that_comes_back_is_told_again() -> None:
    with Desk(
        Models(FakeDetector(), reader("torch", "happy")),
        [better("face", lambda *_: reader("tensorrt", "sad"))],
    ) as desk:
        wait_for_builder()
        desk.analyzer([frame(0)])
        desk.analyzer.forget("cam")
        desk.analyzer([frame(0)])
    assert desk.told("cam") == [COMPILING, TAKEN_OVER] * 2


def test_no_frame_of_a_live_run_is_lost_or_doubled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = threading.Event()

    def on_run(number: int) -> None:
        if number == 5:
            go.set()
        if number == 8:
            wait_for_builder()

    old, new = reader("torch", "happy", on_run), reader("tensorrt", "sad")
    asked: list[bool] = []

    def open_it(*_: object) -> FakeEngine:
        assert go.wait(10)
        return new

    def opened(*_: object, at_once: bool) -> Models:
        asked.append(at_once)
        return Models(FakeDetector(detection(10, 10, 30)), old, better=(better("face", open_it),))

    monkeypatch.setattr("streamfer.app.session.networks.open_models", opened)
    clip = make_clip(tmp_path / "cam.mp4", ClipSpec(frames=40))
    records = tmp_path / "records.jsonl"
    config = RunConfig(
        source=(str(clip),),
        realtime=True,
        drop="never",
        detect_every="1",
        records=records,
        display=False,
        quiet=True,
    )
    assert run(config) == 0
    assert asked == [True]
    frames = frame_records(records)
    assert [record["frame"] for record in frames] == list(range(40))
    answers = [record["faces"][0]["probs"][3] > 0.5 for record in frames]
    first_new = answers.index(False)
    assert 0 < first_new < 40
    assert not any(answers[first_new:])  # old, then new, without a way back
    lines = record_lines(records)[1:]
    events = [line for line in lines if line.get("event") == "changed"]
    assert len(events) == 2
    assert events[0]["compiling"] == "tensorrt"
    assert lines.index(events[0]) == 0
    assert lines[lines.index(events[1]) + 1]["frame"] == first_new
    assert (old.closed, new.closed) == (1, 1)


def test_the_shipped_networks_change_to_tensorrt_in_mid_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the fake, which computes what the networks say: faces must not change with the engine."""
    machine = replace(
        find_machine(),
        gpus=(Gpu(0, "H100", (9, 0), 80 << 30),),
        torch_sees_gpu=True,
        versions={**find_machine().versions, "tensorrt": VERSIONS[-1]},
    )
    face = face_model(SHIPPED, EngineStore(), lambda *_: None)  # exported once on this machine
    monkeypatch.setattr("streamfer.app.networks.face_network.face_model", lambda *_: face)
    monkeypatch.setattr("streamfer.runtime.open_engine.find_machine", lambda: machine)
    monkeypatch.setattr(
        "streamfer.runtime.backends.tensorrt.SideStream", lambda device: HostQueue()
    )
    monkeypatch.setattr("streamfer.runtime.backends.torch.SideStream", no_cuda)
    monkeypatch.setitem(sys.modules, "tensorrt", FakeTensorRT(VERSIONS[-1]))
    store = EngineStore(tmp_path / "engines")
    config = RunConfig(backend="tensorrt", precision="fp32", threads=1)
    picture = sample_inputs([TensorSpec("images", np.dtype(np.uint8), (1, 240, 320, 3))])["images"]
    with closing(open_models(config, store, lambda *_: None, at_once=True)) as models:
        assert [(b.part, b.backend) for b in models.better] == [
            ("detector", "tensorrt"),
            ("face", "tensorrt"),
        ]
        with Desk(models, sizes_wh=[(320, 240)]) as desk:
            (before,) = desk.analyzer([make_frame(0, picture[0].copy())])
            wait_for_builder()
            (after,) = desk.analyzer([make_frame(1, picture[0].copy())])
            assert desk.statistics.snapshot().backend == "tensorrt"
    (first,), (second,) = before.faces, after.faces
    np.testing.assert_allclose(second.probs, first.probs, atol=1e-3)
    assert second.track_id == first.track_id
    with closing(open_models(config, store, lambda *_: None, at_once=True)) as models:
        assert models.better == ()
        assert models.face.backend == "tensorrt"


def no_cuda(device: str) -> None:
    raise EngineError(f"{device} cannot be used")
