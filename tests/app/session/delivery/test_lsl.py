from __future__ import annotations

import sys
import threading
from contextlib import closing

import numpy as np
import pytest

from streamfer.app.session.delivery.lsl import LslSink, load_lsl
from streamfer.errors import ConfigError
from streamfer.labels import LABELS
from streamfer.types import StreamEvent
from tests.support.results import probabilities
from tests.support.timed_results import face, film


def test_probabilities_and_markers_arrive_at_an_inlet() -> None:
    lsl = pytest.importorskip("pylsl", exc_type=ImportError)
    with closing(LslSink("cam", lsl, clock=lambda: 5.0)) as sink:
        (first,) = film((0.1, [face(7), face(3, "sad")]), stream="cam")
        sink.write(first)  # makes the outlets
        found = {
            what: lsl.resolve_byprop("name", f"streamfer cam {what}", 1, 10.0)
            for what in ("face 1", "face 2", "events")
        }
        assert all(found.values()), found
        inlets = {what: lsl.StreamInlet(infos[0]) for what, infos in found.items()}
        for inlet in inlets.values():
            inlet.open_stream(10.0)
        before = lsl.local_clock()
        sink.write(first)
        sink.event(StreamEvent("cam", "face_left", 1.0, details={"track": 3}))
        sample, moment = inlets["face 2"].pull_sample(10.0)
        np.testing.assert_allclose(sample, probabilities("sad", 0.9), atol=1e-6)
        assert moment == pytest.approx(before - 5.0, abs=1.0)  # the frame is 5 s old
        marker, _ = inlets["events"].pull_sample(10.0)
        assert marker == ['{"stream": "cam", "event": "face_left", "time_s": 1.0, "track": 3}']
        described = inlets["face 1"].info(10.0)
        assert described.channel_count() == 7
        assert described.desc().child("channels").first_child().child_value("label") == LABELS[0]
        for inlet in inlets.values():
            inlet.close_stream()


class Outlet:
    def __init__(self, info: FakeInfo) -> None:
        self.samples: list[list[float]] = []
        FakeLsl.outlets[info.name] = self

    def push_sample(self, sample: list[float], moment: float = 0.0) -> None:
        self.samples.append(sample)


class FakeInfo:
    """Stands for its description, too."""

    def __init__(self, name: str, *_: object) -> None:
        self.name = name

    def desc(self) -> FakeInfo:
        return self

    def append_child(self, _: str) -> FakeInfo:
        return self

    def append_child_value(self, *_: str) -> None:
        pass


class FakeLsl:
    outlets: dict[str, Outlet]
    StreamInfo = FakeInfo
    StreamOutlet = Outlet

    @staticmethod
    def local_clock() -> float:
        return 0.0


def test_a_face_keeps_its_slot_and_leaves_it_to_another() -> None:
    FakeLsl.outlets = {}
    with closing(LslSink("cam", FakeLsl)) as sink:
        one, two, three = face(1, "happy"), face(2, "sad"), face(3, "fear")
        scenes = ((0.2, [one, two]), (0.5, [two]), (0.1, [two, one]), (1.2, [two]), (0.1, [three]))
        for result in film(*scenes):
            sink.write(result)
    first = FakeLsl.outlets["streamfer cam face 1"].samples
    assert [LABELS[int(np.argmax(sample))] for sample in first] == ["happy"] * 3 + ["fear"]
    assert set(FakeLsl.outlets) == {
        f"streamfer cam {what}" for what in ("events", "face 1", "face 2")
    }


def test_outlets_are_bounded() -> None:
    FakeLsl.outlets = {}
    with closing(LslSink("cam", FakeLsl)) as sink:
        for result in film((0.2, [face(number) for number in range(30)])):
            sink.write(result)
    assert len(FakeLsl.outlets) == 9


def test_without_pylsl_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pylsl", None)
    with pytest.raises(ConfigError, match=r"needs pylsl; type: pip install 'streamfer\[lsl\]'"):
        load_lsl()


def test_nobody_waits_for_the_end_of_outlets() -> None:
    may_end, ended = threading.Event(), threading.Event()

    class SlowOutlet(Outlet):
        def __del__(self) -> None:
            may_end.wait(10.0)
            ended.set()

    class SlowLsl(FakeLsl):
        @staticmethod
        def StreamOutlet(info: FakeInfo) -> Outlet:
            return SlowOutlet(info)

    sink = LslSink("cam", SlowLsl())
    FakeLsl.outlets.clear()
    sink.close()
    sink.close()
    assert not ended.is_set()
    may_end.set()
    assert ended.wait(10.0)
