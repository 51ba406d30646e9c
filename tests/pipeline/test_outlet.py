from __future__ import annotations

from collections.abc import Sequence

import pytest

from streamfer.errors import OutputError
from streamfer.pipeline.events.detector import EventDetector
from streamfer.pipeline.outlet import Outlet, OutputLedger
from streamfer.types import FrameResult, StreamEvent
from tests.support.sinks import MemorySink
from tests.support.timed_results import face, film


class OrderSink(MemorySink):
    """Remembers results and events in one list."""

    def __init__(self) -> None:
        super().__init__("order")
        self.items: list[float | str] = []

    def write(self, result: FrameResult) -> None:
        self.items.append(result.frame.time_s)

    def event(self, event: StreamEvent) -> None:
        self.items.append(event.event)


def test_events_follow_the_frame_that_makes_them_to_every_sink() -> None:
    sinks, told = [OrderSink(), OrderSink()], list[StreamEvent]()
    outlet = Outlet("talk", lambda: sinks, OutputLedger(), EventDetector(), told.append)
    for result in film((0.5, [face(1)])):
        outlet.put([result])
    outlet.close()
    assert sinks[0].items == [0.0, 0.1, 0.2, 0.3, "face_appeared", 0.4, "face_left"]
    assert sinks[1].items == sinks[0].items
    assert [event.event for event in told] == ["face_appeared", "face_left"]


def test_a_lost_connection_ends_what_was_seen() -> None:
    sink = OrderSink()
    outlet = Outlet("talk", lambda: [sink], OutputLedger(), EventDetector())
    for result in film((0.4, [face(1)])):
        outlet.put([result])
    outlet.put([StreamEvent("talk", "disconnected", 0.4)])
    outlet.close()
    assert sink.items[-2:] == ["face_left", "disconnected"]


def test_an_output_that_fails_at_an_event_leaves_the_others() -> None:
    class Broken(MemorySink):
        def event(self, event: StreamEvent) -> None:
            raise OutputError("clips: no space left")

    whole = MemorySink()
    ledger = OutputLedger()
    outlet = Outlet("talk", lambda: [Broken("clips"), whole], ledger, EventDetector())
    for result in film((0.5, [face(1)])):
        outlet.put([result])
    outlet.close()
    assert [event.event for event in whole.events] == ["face_appeared", "error", "face_left"]
    assert [name for name, _ in ledger.failures] == ["clips"]
    assert len(whole.results) == 5


def handed_over(results: Sequence[FrameResult]) -> list[str]:
    """In which order two sinks get results that wait together."""
    order: list[str] = []

    class Noting(MemorySink):
        def write(self, result: FrameResult) -> None:
            order.append(f"{self.name}{result.frame.time_s:.1f}")

    outlet = Outlet("talk", lambda: [Noting("a"), Noting("b")], OutputLedger())
    outlet.put(results)
    outlet.close()
    return order


def test_what_waits_goes_to_one_sink_after_the_other() -> None:
    assert handed_over(film((0.3, []))) == ["a0.0", "a0.1", "a0.2", "b0.0", "b0.1", "b0.2"]


def test_of_much_that_waits_every_sink_gets_a_little_at_a_time() -> None:
    order = handed_over(film((0.6, [])))
    assert order[:5] == ["a0.0", "a0.1", "a0.2", "a0.3", "b0.0"]
    assert order[-4:] == ["a0.4", "a0.5", "b0.4", "b0.5"]


def test_of_what_waits_a_broken_sink_gets_no_more() -> None:
    class Broken(MemorySink):
        def write(self, result: FrameResult) -> None:
            super().write(result)
            raise OutputError("clips: no space left")

    broken, whole = Broken("clips"), OrderSink()
    outlet = Outlet("talk", lambda: [broken, whole], OutputLedger())
    outlet.put(film((0.3, [])))
    assert len(broken.results) == 1
    assert whole.items == [0.0, 0.1, 0.2, "error"]


def test_an_error_is_not_told_with_a_time_before_what_the_others_have() -> None:
    class Broken(MemorySink):
        def write(self, result: FrameResult) -> None:
            raise OutputError("clips: no space left")

    whole = MemorySink()
    outlet = Outlet("talk", lambda: [Broken("clips"), whole], OutputLedger())
    outlet.put(film((0.3, [])))
    outlet.close()
    assert [event.time_s for event in whole.events] == [whole.results[-1].frame.time_s]


def test_every_sink_is_completed_whatever_one_of_them_does() -> None:
    class Broken(MemorySink):
        def close(self) -> None:
            raise ZeroDivisionError("boom")

    whole = MemorySink()
    outlet = Outlet("talk", lambda: [Broken("mine"), whole], OutputLedger())
    outlet.put(film((0.3, [])))
    with pytest.raises(ZeroDivisionError):
        outlet.close()
    assert whole.closed.is_set()


def test_an_output_that_is_finished_keeps_no_run_going() -> None:
    ledger = OutputLedger()
    first = Outlet("one", lambda: [MemorySink("one.mp4")], ledger)
    first.put(film((0.3, [])))
    first.close()

    class Broken(MemorySink):
        def write(self, result: FrameResult) -> None:
            raise OutputError("two.mp4: no space left")

    second = Outlet("two", lambda: [Broken("two.mp4")], ledger)
    with pytest.raises(OutputError, match="no space left"):
        second.put(film((0.3, [])))


def test_an_output_that_two_streams_share_works_until_both_have_ended() -> None:
    ledger = OutputLedger()
    for _ in range(2):
        ledger.opened("records")
    ledger.opened("a.mp4")
    ledger.closed("records")
    ledger.failed("a.mp4", OutputError("a.mp4: no space left"))
    ledger.opened("b.mp4")
    ledger.closed("records")
    with pytest.raises(OutputError, match=r"b\.mp4: no space"):
        ledger.failed("b.mp4", OutputError("b.mp4: no space left"))


def test_an_output_that_cannot_be_completed_beside_one_that_can_ends_no_run() -> None:
    class Broken(MemorySink):
        def close(self) -> None:
            raise OutputError("r.csv: no space left")

    ledger = OutputLedger()
    outlet = Outlet("talk", lambda: [MemorySink("talk.mp4"), Broken("r.csv")], ledger)
    outlet.put(film((0.3, [])))
    outlet.close()
    assert [name for name, _ in ledger.failures] == ["r.csv"]
