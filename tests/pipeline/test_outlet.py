from __future__ import annotations

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
        outlet.put(result)
    outlet.close()
    assert sinks[0].items == [0.0, 0.1, 0.2, 0.3, "face_appeared", 0.4, "face_left"]
    assert sinks[1].items == sinks[0].items
    assert [event.event for event in told] == ["face_appeared", "face_left"]


def test_a_lost_connection_ends_what_was_seen() -> None:
    sink = OrderSink()
    outlet = Outlet("talk", lambda: [sink], OutputLedger(), EventDetector())
    for result in film((0.4, [face(1)])):
        outlet.put(result)
    outlet.put(StreamEvent("talk", "disconnected", 0.4))
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
        outlet.put(result)
    outlet.close()
    assert [event.event for event in whole.events] == ["error", "face_appeared", "face_left"]
    assert [name for name, _ in ledger.failures] == ["clips"]
    assert len(whole.results) == 5
