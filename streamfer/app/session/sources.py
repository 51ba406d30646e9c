"""From what the user typed to sources: files are opened at once, as far as files may be open."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from streamfer.app.config import RunConfig
from streamfer.errors import SourceError
from streamfer.media.sources.camera import camera_endpoint
from streamfer.media.sources.endpoint import Endpoint, LiveConfig, network_endpoint
from streamfer.media.sources.file import FileSource
from streamfer.media.sources.hardware import check_hwaccel
from streamfer.media.sources.kinds import KINDS, SourceKind
from streamfer.media.sources.lavfi import LavfiSource
from streamfer.media.sources.live import LiveCallbacks, LiveSource
from streamfer.media.sources.live_sound import LiveSound
from streamfer.media.sources.packets import PacketMemory
from streamfer.media.sources.playback import PlaybackOptions
from streamfer.media.sources.screen import screen_endpoint
from streamfer.media.sources.source import Source
from streamfer.media.sources.source_list import SourceSpec
from streamfer.media.sources.synthetic import DemoSource
from streamfer.pipeline.pipeline import Pipeline
from streamfer.pipeline.stats.stats import RunStatistics
from streamfer.types import StreamEvent, StreamInfo, StreamState

log = logging.getLogger(__name__)

_CLIP_SLACK_S = 5.0
"""How much later than its packets come a clip may be cut: the way through the networks."""

MakeSource = Callable[[str, PlaybackOptions], Source]
"""Makes a source of the caller's for a stream of this name."""


@dataclass(frozen=True, slots=True, eq=False)
class OpenedStream:
    """A source, opened where that could be done up front."""

    spec: SourceSpec
    source: Source
    info: StreamInfo
    is_open: bool


class LiveReports:
    """Passes what live sources say to a pipeline, which is built after them, and to the log."""

    def __init__(self) -> None:
        self._pipeline: Pipeline | None = None
        self._statistics: RunStatistics | None = None

    def connect(self, pipeline: Pipeline, statistics: RunStatistics) -> None:
        """Names the receivers; sources speak only once the pipeline runs."""
        self._pipeline = pipeline
        self._statistics = statistics

    def announce(self, event: StreamEvent) -> None:
        """Takes an event to its stream's outputs, from any thread."""
        if self._pipeline is not None:
            self._pipeline.post(event)

    def callbacks(self, stream: str) -> LiveCallbacks:
        """What one live source reports to."""

        def on_event(event: StreamEvent) -> None:
            reason = event.details.get("message")
            level = logging.INFO if reason is None else logging.WARNING
            log.log(level, "%s: %s", stream, f"{event.event}: {reason}" if reason else event.event)
            self.announce(event)

        def on_state(state: StreamState, message: str | None) -> None:
            if self._statistics is not None:
                self._statistics.set_state(stream, state, message)

        return LiveCallbacks(on_event, on_state)


def open_streams(
    specs: Sequence[SourceSpec],
    config: RunConfig,
    reports: LiveReports,
    own: Mapping[str, MakeSource] | None = None,
) -> list[OpenedStream]:
    """Makes every source and opens the files that come first.

    Pipes are opened at their turn, by a thread that can be woken: nothing may come out of them yet.
    A file that fails to open now is tried again, and reported, at its turn, unless nothing else is
    asked for.

    Args:
        specs: what to open.
        config: how to play it.
        reports: where live streams' states and events go.
        own: by stream, what makes the sources of `SourceKind.OWN`.

    Raises:
        ConfigError: a source cannot be named like that, or hardware decoding does not work.
        SourceError: the only source cannot be opened.
    """
    if config.hwaccel is not None:
        check_hwaccel(config.hwaccel)
    streams: list[OpenedStream] = []
    open_files = 0
    for spec in specs:
        if spec.kind is SourceKind.OWN:
            source = (own or {})[spec.name](spec.name, _playback(config))
        else:
            source = _make_source(spec, config, reports)
        info = StreamInfo(
            spec.name, spec.label, None, None, source.live, from_clip=KINDS[spec.kind].is_clip
        )
        is_open = False
        waits = isinstance(source, FileSource) and source.is_pipe
        if not waits and (source.live or open_files < config.concurrent_files):
            try:
                info, is_open = source.open(), True
            except SourceError:
                if len(specs) == 1:
                    raise
        open_files += is_open and not source.live
        streams.append(OpenedStream(spec, source, info, is_open))
    return streams


def _playback(config: RunConfig) -> PlaybackOptions:
    return PlaybackOptions(
        start_s=config.start,
        duration_s=config.duration,
        max_frames=None,  # the pipeline counts what is analysed
        loop=config.loop,
        realtime=config.realtime,
    )


def _make_source(spec: SourceSpec, config: RunConfig, reports: LiveReports) -> Source:
    playback = _playback(config)
    if spec.kind is SourceKind.FILE:
        return FileSource(
            spec.path,
            spec.name,
            playback,
            hwaccel=config.hwaccel,
            with_sound=config.output is not None,
        )
    if spec.kind is SourceKind.DEMO:
        return DemoSource(spec.name, playback)
    if spec.kind is SourceKind.FILTER:
        return LavfiSource(spec.location, spec.name, playback)
    live = LiveConfig(
        max_reconnects=config.max_reconnects,
        rtsp_transport=config.rtsp_transport,
        tls_verify=config.tls_verify,
        tls_ca=config.tls_ca,
        hwaccel=config.hwaccel,
        sound=config.clips is not None or config.output is not None,
    )
    endpoint = _endpoint(spec, live)
    if config.output is not None:
        endpoint = replace(endpoint, sound=LiveSound())
    if config.clips is not None:
        reach_s = config.clip_before + config.clip_after + _CLIP_SLACK_S
        endpoint = replace(endpoint, packets=PacketMemory(reach_s))
    return LiveSource(spec.name, endpoint, reports.callbacks(spec.name), live)


def _endpoint(spec: SourceSpec, live: LiveConfig) -> Endpoint:
    if spec.kind is SourceKind.CAMERA:
        return camera_endpoint(spec.location)
    if spec.kind is SourceKind.SCREEN:
        return screen_endpoint(spec.location)
    return network_endpoint(spec.location, live)
