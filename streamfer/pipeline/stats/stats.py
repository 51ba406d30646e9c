"""Counters and latencies of a run: written by the stages, read as snapshots by the views."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from streamfer.labels import LABELS
from streamfer.pipeline.stats.counts import StreamCounts
from streamfer.pipeline.stats.latencies import RecentLatencies
from streamfer.pipeline.stats.snapshots import (
    CurrentFace,
    Distributions,
    RunSnapshot,
    StreamSnapshot,
    StripFigures,
    TrackSummary,
)
from streamfer.types import Frame, FrameResult, StreamEvent, StreamInfo, StreamState

_STALLED_AFTER_S = 2.5
"""A live stream without a new frame for so long is shown as stalled."""
_ALL_LATENCIES = 200_000
"""Latencies kept for the summary's percentiles: over two hours at 24 frames/s, 1.6 MB."""


class RunStatistics:
    """Thread-safe statistics of one run.

    Args:
        clock: the pipeline's monotonic clock, in seconds.
        backend: backend of the face engine.
        device: its device.
    """

    def __init__(self, clock: Callable[[], float], backend: str, device: str) -> None:
        self._clock = clock
        self._backend = backend
        self._device = device
        self._lock = threading.Lock()
        self._streams: dict[str, StreamCounts] = {}
        self._removed = [0, 0, 0]
        """Frames, drops and faces of streams that were taken out of the run."""
        self._latencies = RecentLatencies(_ALL_LATENCIES)
        self._began_s = clock()
        self._first_decoded_s: float | None = None
        self._last_output_s: float | None = None

    def set_engine(self, backend: str, device: str) -> None:
        """Notes that another face engine serves from now on."""
        with self._lock:
            self._backend = backend
            self._device = device

    def add_stream(self, info: StreamInfo) -> None:
        """Registers a stream, or replaces what is known of it once it is open."""
        with self._lock:
            if info.stream in self._streams:
                self._streams[info.stream].info = info
            else:
                self._streams[info.stream] = StreamCounts(info)

    def remove_stream(self, stream: str) -> None:
        """Forgets a stream that was taken out of the run; its frames still count."""
        with self._lock:
            entry = self._streams.pop(stream)
            for place, count in enumerate((entry.frames, entry.dropped, entry.faces)):
                self._removed[place] += count

    def has_stream(self, stream: str) -> bool:
        """Whether a stream belongs to the run."""
        with self._lock:
            return stream in self._streams

    def opened(self, info: StreamInfo) -> None:
        """Replaces what is known of a stream, unless it has been taken out of the run."""
        with self._lock:
            if info.stream in self._streams:
                self._streams[info.stream].info = info

    def set_state(self, stream: str, state: StreamState, message: str | None = None) -> None:
        """Notes a stream's state, with a reason where there is one.

        A source that sat in a read may come back after its stream was taken out of the run.
        """
        now = self._clock()
        with self._lock:
            entry = self._streams.get(stream)
            if entry is None:
                return
            entry.alive_s = now
            if state == "reconnecting" and entry.state != "reconnecting":
                entry.reconnects += 1
            entry.state = state
            entry.message = message

    def ended(self, stream: str, interrupted: bool = False) -> None:
        """Notes that a stream has ended without an error; a live one may never have begun."""
        with self._lock:
            entry = self._entry(stream)
            if interrupted:
                entry.state, entry.message = "interrupted", None
            elif entry.info.live and entry.frames == 0:
                entry.state, entry.message = "failed", entry.message or "no picture came"
            else:
                entry.state, entry.message = "done", None

    def decoded(self, stream: str) -> None:
        """Counts one decoded frame, of a stream that is still in the run."""
        now = self._clock()
        with self._lock:
            entry = self._streams.get(stream)
            if entry is None:
                return
            if self._first_decoded_s is None:
                self._first_decoded_s = now
            entry.alive_s = now
            entry.decoded += 1
            entry.rate_in.add(now)

    def admitted(self, frame: Frame) -> None:
        """Notes how old a frame is when its analysis begins."""
        age_s = self._clock() - frame.decoded_at_s
        with self._lock:
            self._entry(frame.stream).age.add(age_s)

    def analysed(self, result: FrameResult) -> None:
        """Counts one analysed frame, at the moment its result exists."""
        now = self._clock()
        frame = result.frame
        latency_s = now - frame.decoded_at_s
        with self._lock:
            entry = self._entry(frame.stream)
            entry.frames += 1
            entry.dropped += frame.dropped
            entry.faces += len(result.faces)
            entry.time_s = frame.time_s
            entry.rate_out.add(now)
            entry.latencies.add(latency_s)
            entry.latency.add(latency_s)
            self._latencies.add(latency_s)
            entry.current = tuple(
                CurrentFace(f.track_id, None if f.uncertain else f.emotion, f.smoothed)
                for f in result.faces
            )
            for face in result.faces:
                track = entry.track(face.track_id, frame.time_s)
                track.last_s = frame.time_s
                track.counts[LABELS.index(face.emotion)] += 1

    def happened(self, event: StreamEvent) -> None:
        """Counts one event."""
        with self._lock:
            entry = self._streams.get(event.stream)
            if entry is not None:
                entry.events[event.event] += 1
                entry.newest_event = event

    def dropped_at_end(self, stream: str, count: int) -> None:
        """Counts frames dropped after the last analysed one."""
        with self._lock:
            self._entry(stream).dropped += count

    def written(self, stream: str, queue_fill: float) -> None:
        """Notes that one frame's outputs are written."""
        now = self._clock()
        with self._lock:
            self._last_output_s = now
            self._entry(stream).queue_fill = queue_fill

    def strip_figures(self, stream: str) -> StripFigures:
        """The few figures that are drawn into every frame."""
        now = self._clock()
        with self._lock:
            entry = self._entry(stream)
            latency_s = entry.latencies.last()
            return StripFigures(
                entry.rate_out.per_second(now),
                None if latency_s is None else latency_s * 1000,
                entry.dropped,
            )

    def distributions(self) -> dict[str, Distributions]:
        """Ages and latencies of every stream's frames."""
        with self._lock:
            return {
                name: Distributions(entry.age.snapshot(), entry.latency.snapshot())
                for name, entry in self._streams.items()
            }

    def snapshot(self) -> RunSnapshot:
        """A consistent copy of everything."""
        now = self._clock()
        with self._lock:
            streams = tuple(self._snapshot_stream(entry, now) for entry in self._streams.values())
            first = self._first_decoded_s
            last = self._last_output_s
            seconds = max(last - first, 0.0) if first is not None and last is not None else 0.0
            removed_frames, removed_drops, removed_faces = self._removed
            frames = removed_frames + sum(s.frames for s in streams)
            return RunSnapshot(
                elapsed_s=now - self._began_s,
                seconds=seconds,
                fps=frames / seconds if seconds > 0 else 0.0,
                frames=frames,
                dropped=removed_drops + sum(s.dropped for s in streams),
                faces=removed_faces + sum(s.faces for s in streams),
                latency_ms=self._latencies.percentiles(),
                backend=self._backend,
                device=self._device,
                streams=streams,
            )

    def _entry(self, stream: str) -> StreamCounts:
        """What is counted of a stream; a spare where it has been taken out while frames of it were
        under way."""
        if stream in self._streams:
            return self._streams[stream]
        return StreamCounts(StreamInfo(stream, "", None, None, live=False))

    @staticmethod
    def _snapshot_stream(entry: StreamCounts, now_s: float) -> StreamSnapshot:
        return StreamSnapshot(
            info=entry.info,
            state=_shown_state(entry, now_s),
            time_s=entry.time_s,
            decoded=entry.decoded,
            frames=entry.frames,
            dropped=entry.dropped,
            faces=entry.faces,
            reconnects=entry.reconnects,
            fps_in=entry.rate_in.per_second(now_s),
            fps_out=entry.rate_out.per_second(now_s),
            queue_fill=entry.queue_fill,
            latency_ms=entry.latencies.percentiles(),
            current=entry.current,
            tracks=tuple(
                TrackSummary(
                    track_id=number,
                    first_s=track.first_s,
                    last_s=track.last_s,
                    frames=int(track.counts.sum()),
                    share=(track.counts / max(track.counts.sum(), 1)).astype(np.float32),
                )
                for number, track in sorted(entry.tracks.items())
            ),
            message=entry.message,
            events=dict(entry.events),
            newest_event=entry.newest_event,
        )


def _shown_state(entry: StreamCounts, now_s: float) -> StreamState:
    """A source that sits in a read cannot say that nothing comes: the time since the last does."""
    silent = entry.state == "live" and now_s - entry.alive_s > _STALLED_AFTER_S
    return "stalled" if silent else entry.state
