"""Live streams that come back by themselves."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

import av

from streamfer.errors import SourceError
from streamfer.media.sources.connection import Connection
from streamfer.media.sources.endpoint import Endpoint, LiveConfig
from streamfer.media.sources.live_sound import LiveSound
from streamfer.media.sources.live_timing import LiveTimeline, Pace, backoff_s
from streamfer.media.sources.loss import STREAM_FAULTS, ConnectionLost, LossKind, odd_stream
from streamfer.media.sources.packets import PacketMemory
from streamfer.media.sources.picture import DecodedPicture, RgbConverter
from streamfer.media.sources.source import PendingFrame
from streamfer.types import StreamEvent, StreamInfo, StreamState

Connect = Callable[[Endpoint, float, Callable[[], float]], Connection]


@dataclass(frozen=True, slots=True)
class LiveCallbacks:
    """Whom a live source tells what happens; called by the thread that iterates `frames`."""

    on_event: Callable[[StreamEvent], None]
    on_state: Callable[[StreamState, str | None], None]


class LiveSource:
    """A stream that plays at its own pace, reopened whenever it breaks off.

    Args:
        name: the stream's unique name.
        endpoint: what to open.
        callbacks: who is told of states and events.
        config: time-outs and retries.
        clock: monotonic seconds.
        jitter: random numbers in [0, 1) for the backoff.
        connect: opens the endpoint.
    """

    def __init__(
        self,
        name: str,
        endpoint: Endpoint,
        callbacks: LiveCallbacks,
        config: LiveConfig | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
        connect: Connect = Connection,
    ) -> None:
        self._name = name
        self._endpoint = endpoint
        self._callbacks = callbacks
        self._config = config or LiveConfig()
        self._clock = clock
        self._jitter = jitter
        self._connect = connect
        self._interrupted = threading.Event()
        self._converter = RgbConverter()
        self._timeline = LiveTimeline()
        self._endless = False
        """Whether it had no end when it was reached."""
        self._index = 0
        self._segment = 0
        self._size_wh: tuple[int, int] | None = None
        self._outage: _Outage | None = _Outage(clock())
        """None while pictures come."""

    @property
    def name(self) -> str:
        """The stream's unique name."""
        return self._name

    @property
    def live(self) -> bool:
        """True."""
        return True

    @property
    def packets(self) -> PacketMemory | None:
        """What keeps its newest packets, if that is wanted."""
        return self._endpoint.packets

    @property
    def sound(self) -> LiveSound | None:
        """Its sound, if that is wanted."""
        return self._endpoint.sound

    def open(self) -> StreamInfo:
        """Promises the stream; its size comes with the `opened` event."""
        return StreamInfo(self._name, self._endpoint.label, width=None, height=None, live=True)

    def frames(self) -> Iterator[PendingFrame]:
        """Pictures as they come, over any number of connections.

        Raises:
            SourceError: more tries in a row failed than `max_reconnects` allows, or trying again
                cannot help.
        """
        self._callbacks.on_state("connecting", None)
        while not self._interrupted.is_set():
            try:
                with self._connect(
                    self._endpoint, self._config.open_timeout_s, self._clock
                ) as connection:
                    self._check_it_goes_on(connection)
                    yield from self._play(connection)
                    is_picture = connection.brought_one_jpeg and self._index == 1
                    if connection.finite or is_picture:
                        return
                raise ConnectionLost("the other side ended the stream")
            except (ConnectionLost, *STREAM_FAULTS) as error:
                # One stream that is odd beyond what is known is no reason to end all others.
                loss = error if isinstance(error, ConnectionLost) else odd_stream(error)
                if not self._interrupted.is_set():
                    self._lose(loss)

    def interrupt(self) -> None:
        """Ends `frames` with the next picture, or when the read under way times out."""
        self._interrupted.set()

    def close(self) -> None:
        """Interrupts: connections never outlive `frames`."""
        self.interrupt()

    # While connected.

    def _check_it_goes_on(self, connection: Connection) -> None:
        """Passes over what is left of a stream that has ended: it would be played from its
        beginning, as if it were new, and its end would be that of the camera.

        Raises:
            ConnectionLost: it is no more than that.
        """
        if self._endless and connection.is_complete_playlist:
            raise ConnectionLost("the other side ended the stream; its playlist is complete")
        self._endless = self._endless or not connection.finite

    def _play(self, connection: Connection) -> Iterator[PendingFrame]:
        self._timeline.connect(connection.time_base, connection.frame_rate)
        pace = Pace() if self._endpoint.paced and not connection.untimed else None
        for frame, pts in connection.pictures():
            pending = self._pending(frame, pts, connection)
            if pace is not None:
                self._interrupted.wait(pace.delay_s(pending.time_s, self._clock()))
                pending = replace(pending, decoded_at_s=self._clock(), wall=_now())
            if self._interrupted.is_set():
                return
            yield pending

    def _pending(
        self, frame: av.VideoFrame, pts: int | None, connection: Connection
    ) -> PendingFrame:
        arrived_s = self._clock()
        instant = self._timeline.place(pts, arrived_s)
        if self.packets is not None and frame.pts is not None:
            self.packets.place(float(frame.pts * frame.time_base), instant.time_s)
        if self.sound is not None and pts is not None:
            placed_s = instant.pts * self._timeline.time_base
            self.sound.place(placed_s, placed_s - pts * connection.time_base)
        picture = DecodedPicture(frame, self._converter, connection.sample_aspect)
        self._note_size(picture.size_wh)
        if self._timeline.jump_s is not None:
            self._tell("changed", {"clock_jump_s": round(self._timeline.jump_s, 3)})
        if self._outage is not None:
            self._recover(self._outage, connection)
        pending = PendingFrame(
            index=self._index,
            pts=instant.pts,
            time_base=self._timeline.time_base,
            time_s=instant.time_s,
            decoded_at_s=arrived_s,
            picture=picture,
            wall=_now(),
            segment=self._segment,
        )
        self._index += 1
        return pending

    def _note_size(self, size_wh: tuple[int, int]) -> None:
        before, self._size_wh = self._size_wh, size_wh
        if before is not None and before != size_wh:
            self._segment += 1
            details = _size(size_wh) | {"before": list(before)}
            self._tell("changed", details)

    def _recover(self, outage: _Outage, connection: Connection) -> None:
        assert self._size_wh is not None  # set by the picture that ended the outage
        details = _size(self._size_wh) | {"codec": connection.codec}
        if connection.frame_rate:
            details["frame_rate"] = round(connection.frame_rate, 3)
        if self._index:
            details |= {"after_s": round(self._clock() - outage.since_s, 3)}
        self._tell("reconnected" if self._index else "opened", details)
        self._callbacks.on_state("live", None)
        self._outage = None

    # While not connected.

    def _lose(self, loss: ConnectionLost) -> None:
        """Says so, and waits until the next try is due, or gives up."""
        reason = str(loss)
        outage = self._outage
        if outage is None:
            outage = self._outage = _Outage(self._clock(), reason)
            self._tell("disconnected", {"message": reason})
            if loss.kind is LossKind.SILENCE:
                self._callbacks.on_state("stalled", reason)
        outage.failures += 1
        if self._is_final(loss, outage.failures):
            raise SourceError(f"{self._endpoint.label}: {loss}") from loss
        if reason != outage.reason:
            outage.reason = reason
            self._tell("error", {"message": reason})
        self._callbacks.on_state("reconnecting" if self._index else "connecting", reason)
        self._interrupted.wait(self._delay_s(loss, outage.failures))

    def _is_final(self, loss: ConnectionLost, failures: int) -> bool:
        limit = self._config.max_reconnects
        never_there = loss.kind is LossKind.ABSENT and self._index == 0
        too_often = limit is not None and failures > limit
        return loss.kind is LossKind.UNSUPPORTED or never_there or too_often

    def _delay_s(self, loss: ConnectionLost, failures: int) -> float:
        config = self._config
        if loss.kind is LossKind.REFUSED:
            return config.refused_backoff_s
        return backoff_s(failures, config.backoff_min_s, config.backoff_max_s, self._jitter())

    def _tell(
        self,
        event: Literal["opened", "disconnected", "reconnected", "changed", "error"],
        details: dict[str, Any],
    ) -> None:
        self._callbacks.on_event(
            StreamEvent(self._name, event, self._timeline.time_s, _now(), details)
        )


@dataclass(slots=True)
class _Outage:
    """A time without pictures."""

    since_s: float
    reason: str | None = None
    failures: int = 0
    """Tries in a row that brought none."""


def _size(size_wh: tuple[int, int]) -> dict[str, Any]:
    return {"width": size_wh[0], "height": size_wh[1]}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
