from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from dataclasses import replace

import pytest

from streamfer.app.networks.models import Models
from streamfer.app.networks.takeover import BackgroundBuilds
from streamfer.engine import Engine
from streamfer.errors import EngineError
from streamfer.vision.detection.detector import Detector
from tests.support.detectors import FakeDetector
from tests.support.engines import FakeEngine
from tests.support.results import detection
from tests.support.takeover import Desk, Finder, Open, better, frame, reader, wait_for_builder

COMPILING = {"network": "small face", "backend": "torch", "compiling": "tensorrt"}
TAKEN_OVER = {"network": "small face", "backend": "tensorrt"}


def test_the_next_batch_goes_to_the_better_engine() -> None:
    old, new = reader("torch", "happy"), reader("tensorrt", "sad")
    go = threading.Event()

    def open_it(cancelled: threading.Event, sizes: Iterable[tuple[int, int]]) -> FakeEngine:
        assert list(sizes) == [(640, 360)]
        assert go.wait(60)
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


def test_networks_warm_up_once_for_each_size_of_frames() -> None:
    old, new = reader("torch", "happy"), reader("tensorrt", "sad")
    with Desk(Models(FakeDetector(), old), [better("face", lambda *_: new)]) as desk:
        wait_for_builder()
        desk.networks.warm_up([(64, 48), (64, 48)])
        assert (len(old.calls), len(new.calls)) == (0, 1)  # it has taken over before
        desk.networks.warm_up([(64, 48)])
        assert len(new.calls) == 1
        desk.networks.warm_up([(64, 48), (48, 64)])
        assert len(new.calls) == 2


def test_what_takes_over_between_runs_warms_up_anew() -> None:
    old, new = reader("torch", "happy"), reader("tensorrt", "sad")
    go = threading.Event()

    def open_it(*_: object) -> FakeEngine:
        assert go.wait(60)
        return new

    with Desk(Models(FakeDetector(), old), [better("face", open_it)]) as desk:
        desk.networks.warm_up([(64, 48)])
        go.set()
        wait_for_builder()
        desk.networks.warm_up([(64, 48)])
        assert (len(old.calls), len(new.calls)) == (1, 1)


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
        assert cancelled.wait(60)
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
        assert done.wait(60)
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
