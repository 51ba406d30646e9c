"""What live-source tests share: scripted connections, and a recorder of states and events."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Self

import av

from streamfer.media.sources.endpoint import Endpoint
from streamfer.media.sources.live import LiveCallbacks
from streamfer.types import StreamEvent, StreamState

ENDPOINT = Endpoint(url="rtsp://u:hunter2@cam/1", label="rtsp://***@cam/1", variants=({},))


class FakeClock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Recorder:
    """Notes what a live source reports."""

    def __init__(self) -> None:
        self.events: list[StreamEvent] = []
        self.states: list[tuple[StreamState, str | None]] = []
        self.on_state_change: Callable[[], None] = lambda: None

    def callbacks(self) -> LiveCallbacks:
        return LiveCallbacks(self.events.append, self._on_state)

    def _on_state(self, state: StreamState, reason: str | None) -> None:
        self.states.append((state, reason))
        self.on_state_change()

    def event_kinds(self) -> list[str]:
        return [event.event for event in self.events]

    def state_names(self) -> list[str]:
        return [state for state, _ in self.states]

    def events_once_open(self) -> list[StreamEvent]:
        """From the first connection that held on: a server on a busy machine may miss the first."""
        return self.events[self.event_kinds().index("opened") :]

    def states_once_tried(self) -> list[str]:
        """From the last try before the first picture on, for the same reason."""
        names = self.state_names()
        return names[names.index("live") - 1 :]


class ScriptedConnection:
    """A connection that plays a list: PTS become pictures, exceptions are raised."""

    codec = "h264"
    frame_rate = 25.0
    time_base = Fraction(1, 1000)
    untimed = False
    sample_aspect = None
    brought_one_jpeg = False

    def __init__(
        self,
        *script: int | Exception | None,
        size_wh: tuple[int, int] = (64, 48),
        finite: bool = False,
        playlist: bool = False,
        on_picture: Callable[[], None] = lambda: None,
    ) -> None:
        self.finite = finite
        self.is_complete_playlist = finite and playlist
        self.closed = False
        self._script = script
        self._size_wh = size_wh
        self._on_picture = on_picture

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.closed = True

    def pictures(self) -> Iterator[tuple[av.VideoFrame, int | None]]:
        for step in self._script:
            if isinstance(step, Exception):
                raise step
            self._on_picture()
            yield av.VideoFrame(*self._size_wh, "yuv420p"), step


class ScriptedConnect:
    """Opens what it is given, one after the other; given exceptions are raised."""

    def __init__(self, *outcomes: ScriptedConnection | Exception) -> None:
        self._outcomes = list(outcomes)
        self.tries = 0

    def __call__(
        self, endpoint: Endpoint, open_timeout_s: float, clock: Callable[[], float]
    ) -> ScriptedConnection:
        outcome = self._outcomes[self.tries]
        self.tries += 1
        if isinstance(outcome, Exception):
            raise outcome
        return outcome
