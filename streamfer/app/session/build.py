"""Puts a run together from its configuration: the only place that names concrete classes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from streamfer import __version__
from streamfer.app.config import RunConfig
from streamfer.app.delivery.lsl import LslSink, load_lsl
from streamfer.app.networks.face_reader import open_face_reader
from streamfer.app.networks.models import Models
from streamfer.app.networks.refiner import residual_config
from streamfer.app.networks.takeover import ServingNetworks, SharedAnalyzer
from streamfer.app.session.clip_sink import ClipConfig, clip_sinks
from streamfer.app.session.network_sink import NetworkSink
from streamfer.app.session.outputs import (
    STREAM_FIELD,
    annotated_path,
    network_output,
    output_path,
)
from streamfer.app.session.picture_sink import PictureSink
from streamfer.app.session.segments import Segments
from streamfer.app.session.sinks import (
    AnnotatedPicture,
    LatentSink,
    RecordSink,
    SnapshotSink,
    VideoSink,
    WindowSink,
)
from streamfer.app.session.sources import OpenedStream
from streamfer.app.session.stream_records import StreamRecordSink
from streamfer.app.session.subtitle_sink import SubtitleSink
from streamfer.app.terminal.feed import WindowFeed
from streamfer.labels import LABELS
from streamfer.media.files.claims import OutputClaims
from streamfer.media.records.writer import ModelInfo, RecordHeader, RecordWriter, open_records
from streamfer.media.sources.file import FileSource
from streamfer.media.sources.live import LiveSource
from streamfer.media.sources.sound import TravellingSound
from streamfer.media.sources.source_list import SourceKind
from streamfer.media.subtitles.captions import Captions
from streamfer.media.subtitles.wording import Wording, parse_names
from streamfer.media.subtitles.writer import SubtitleWriter
from streamfer.media.video.audio import AudioSpan
from streamfer.media.video.file import VideoConfig
from streamfer.media.video.network import NetworkVideo
from streamfer.media.video.network_connection import NetworkAddress
from streamfer.media.video.picture_file import is_picture_path
from streamfer.media.video.writer import VideoWriter, nominal_rate
from streamfer.pipeline.analyzer import Analyzer
from streamfer.pipeline.baseline import BASELINE_FIELDS, Baseline
from streamfer.pipeline.collector import CollectorConfig
from streamfer.pipeline.config import PipelineConfig
from streamfer.pipeline.events.detector import EventConfig, EventDetector
from streamfer.pipeline.lane import StreamPlan
from streamfer.pipeline.outlet import NoEvents, Sink
from streamfer.pipeline.pipeline import Pipeline
from streamfer.pipeline.refine.refiner import Refiner
from streamfer.pipeline.refine.residual import ResidualConfig
from streamfer.pipeline.stats.stats import RunStatistics
from streamfer.pipeline.stats.timing import StageTimes
from streamfer.pipeline.stream_memory import AnalyzerConfig
from streamfer.types import FrameResult, StreamEvent, StreamInfo
from streamfer.vision.heads.head import FaceHead, head_fields
from streamfer.vision.overlay.overlay import Overlay

if TYPE_CHECKING:
    from streamfer.media.records.latents import LatentWriter


@dataclass(frozen=True, slots=True, eq=False)
class RunParts:
    """What all streams of a run share."""

    config: RunConfig
    statistics: RunStatistics
    times: StageTimes
    overlay: Overlay
    records: RecordWriter | None
    feed: WindowFeed | None
    """None where no window is shown."""
    claims: OutputClaims
    """What the run may write."""
    latents: LatentWriter | None = None
    refiner: Refiner | None = None
    notes: list[str] = field(default_factory=list)
    """What the summary has to say of the outputs, added as they are completed."""
    videos: list[Path] = field(default_factory=list)
    """Annotated videos and pictures, added as they are completed."""
    clips: list[Path] = field(default_factory=list)
    """Clips, added as they are written."""
    record_files: list[Path] = field(default_factory=list)
    """Records and subtitles of single streams, added as they are completed."""
    segments: Segments = field(default_factory=Segments)
    """When video and records go on in new files."""
    extra: Sequence[Sink] = ()
    """Further sinks of every stream, before those that draw into the pictures."""
    keep_pictures: bool = False
    """Whether the results' pictures stay as they came, so that the overlay goes over copies."""
    announce: Callable[[StreamEvent], None] = lambda event: None
    """Takes events to the streams' outputs."""
    heads: tuple[FaceHead, ...] = ()
    """What else is said of each face."""
    events: EventConfig | None = None
    """What makes an event; None for no events."""

    def video_finished(self, writer: VideoWriter) -> None:
        """Notes a completed video; called by output threads."""
        self.notes.extend(writer.notes)
        self.videos.extend(writer.paths)

    def text_finished(self, writer: RecordWriter | SubtitleWriter) -> None:
        """Notes one stream's completed records or subtitles; called by output threads."""
        self.notes.extend(writer.notes)
        self.record_files.extend(writer.paths)

    def written(self, except_for: Set[str]) -> list[Path]:
        """The files that the run has completed; called once all outputs are closed.

        Args:
            except_for: names of outputs that have failed.
        """
        paths = [*sorted(self.videos), *sorted(self.record_files)]
        if self.records is not None:
            self.notes.extend(self.records.notes)
            if self.records.name not in except_for:
                paths.extend(self.records.paths)
        if self.latents is not None and self.latents.name not in except_for:
            paths.append(self.latents.path)
        return paths


def build_analyzer(
    config: RunConfig,
    models: Models,
    times: StageTimes,
    refiner: Refiner | None = None,
    heads: Sequence[FaceHead] = (),
) -> Analyzer:
    """The analyzer of a run.

    Raises:
        EngineError: the generator is broken.
    """
    refinement = models.refinement
    settings = AnalyzerConfig(
        detect_every=config.detection_interval,
        search_everywhere=config.drop == "never",
        label_set=models.label_set(config.label_set),
        residual=residual_config(refinement) if refinement else ResidualConfig(),
    )
    reader = open_face_reader(models.detector, models.face)
    return Analyzer(reader, settings, times, refiner, models.trust, heads)


def build_pipeline(
    parts: RunParts, streams: Sequence[OpenedStream], networks: ServingNetworks
) -> Pipeline:
    """The pipeline of a run, not started yet.

    Raises:
        EngineError: the generator is broken.
    """
    config = parts.config
    with networks.serving() as models:
        analyzer = build_analyzer(config, models, parts.times, parts.refiner, parts.heads)
        device = models.face.device
        plans = [stream_plan(parts, stream, models) for stream in streams]
    return Pipeline(
        plans,
        SharedAnalyzer(analyzer, networks, parts.announce, parts.statistics),
        parts.statistics,
        PipelineConfig(
            max_frames=config.max_frames,
            concurrent_files=config.concurrent_files,
            tick_s=0.1 if parts.feed is None else 0.015,
            collector=collector_config(device),
        ),
        parts.times,
        clock=time.monotonic,
    )


def stream_plan(parts: RunParts, stream: OpenedStream, models: Models) -> StreamPlan:
    """What the pipeline shall do with one stream."""
    drop = parts.config.drop
    return StreamPlan(
        source=stream.source,
        make_sinks=_sink_factory(parts, stream, models),
        info=stream.info,
        is_open=stream.is_open,
        events=NoEvents() if parts.events is None else EventDetector(parts.events),
        adjust=_adjustment(parts.config),
        lossless=drop == "never" or (drop == "auto" and not stream.info.live),
    )


def _adjustment(config: RunConfig) -> Callable[[FrameResult], FrameResult]:
    if config.baseline is None:
        return lambda result: result
    return Baseline(config.baseline_s).apply


def collector_config(device: str) -> CollectorConfig:
    """On a CPU a larger batch is not faster per frame, and makes all of its frames older: sixteen
    cameras on two cores were five times as fresh with batches of 4 as with 16, in half the memory.
    """
    return CollectorConfig(max_batch=4) if device == "cpu" else CollectorConfig()


def open_record_writer(
    config: RunConfig,
    models: Models,
    infos: Sequence[StreamInfo],
    claims: OutputClaims,
    heads: Sequence[FaceHead] = (),
) -> RecordWriter | None:
    """Opens the records that all streams share, if such are asked for, with their header.

    Raises:
        ConfigError: the suffix names no format.
        OutputError: they cannot be written.
    """
    if config.records is None or STREAM_FIELD in str(config.records):
        return None
    return open_records(config.records, _record_header(config, models, infos, heads), claims)


def _record_header(
    config: RunConfig, models: Models, infos: Sequence[StreamInfo], heads: Sequence[FaceHead]
) -> RecordHeader:
    return RecordHeader(
        streams=tuple(infos),
        labels=LABELS,
        label_set=models.label_set(config.label_set),
        detector=ModelInfo(models.detector.name, models.detector.sha256),
        face=_face_info(models),
        backend=models.face.backend,
        version=__version__,
        fields=(*head_fields(heads), *(BASELINE_FIELDS if config.baseline else ())),
    )


def _face_info(models: Models) -> ModelInfo:
    """The face network for the header: of own weights the very file."""
    if models.own is not None:
        return ModelInfo(models.own.path.name, models.own.sha256)
    return ModelInfo(models.face.name, models.face.sha256)


def frame_sizes_wh(streams: Sequence[OpenedStream]) -> list[tuple[int, int]]:
    """Width and height of the streams' frames, in pixels. A camera's are not known before it is up;
    most come to the same network shape as 640 × 360."""
    return [(s.info.width or 640, s.info.height or 360) for s in streams]


@contextmanager
def latent_writer(
    config: RunConfig, streams: Sequence[OpenedStream], claims: OutputClaims
) -> Iterator[LatentWriter | None]:
    """The file of latents, open, or None where none is asked for.

    Raises:
        OutputError: it cannot be written.
    """
    if config.latents is None:
        yield None
        return
    from streamfer.media.records.latents import LatentWriter  # loads pyarrow

    live = any(stream.info.unrepeatable for stream in streams)
    with closing(LatentWriter(config.latents, live, claims)) as writer:
        yield writer


def _sink_factory(
    parts: RunParts, stream: OpenedStream, models: Models
) -> Callable[[StreamInfo], list[Sink]]:
    """The sinks of one stream; those that draw come last."""

    def make(info: StreamInfo) -> list[Sink]:
        config = parts.config
        picture = AnnotatedPicture(
            parts.overlay, parts.statistics, parts.times, in_place=not parts.keep_pictures
        )
        sinks: list[Sink] = list(parts.extra)
        if parts.records is not None:
            sinks.append(
                RecordSink(parts.records, str(config.records), parts.times, parts.segments)
            )
        elif config.records is not None:
            sinks.append(_own_records(parts, models, info, config.records))
        if parts.latents is not None:
            sinks.append(LatentSink(parts.latents, parts.times))
        if config.subtitles is not None:
            sinks.append(_subtitles(parts, info, config.subtitles))
        if config.clips is not None:
            clips = ClipConfig(config.clips, config.clip_before, config.clip_after)
            sinks += clip_sinks(clips, stream, parts.claims, parts.clips, parts.notes)
        if config.lsl:
            sinks.append(LslSink(info.stream, load_lsl()))
        if parts.feed is not None:
            sinks.append(WindowSink(parts.feed, picture))
        address = None if config.output is None else network_output(config.output, info.stream)
        if address is not None:
            sinks.append(_network(parts, info, address, picture, _audio_span(config, stream)))
        elif (path := annotated_path(config, stream.spec)) is not None:
            sinks.append(_annotated(parts, stream, info, path, picture))
        if config.snapshot_every is not None:
            sinks.append(
                SnapshotSink(config.snapshot_dir, config.snapshot_every, picture, parts.claims)
            )
        return sinks

    return make


def _annotated(
    parts: RunParts, stream: OpenedStream, info: StreamInfo, path: Path, picture: AnnotatedPicture
) -> Sink:
    if is_picture_path(path):
        return PictureSink(path, picture, parts.times, parts.claims, parts.videos.append)
    config = parts.config
    audio = _audio_span(config, stream)
    captions = Captions(_wording(config, info)) if config.embed_subtitles else None
    return VideoSink(
        str(path),
        lambda: VideoWriter(path, info, _video_config(config), audio, parts.claims, captions),
        picture,
        parts.times,
        parts.segments,
        parts.video_finished,
    )


def _network(
    parts: RunParts,
    info: StreamInfo,
    address: NetworkAddress,
    picture: AnnotatedPicture,
    audio: AudioSpan | TravellingSound | None,
) -> NetworkSink:
    settings, rate = _video_config(parts.config), nominal_rate(info)
    return NetworkSink(
        address.label, lambda: NetworkVideo(address, settings, rate, audio), picture, parts.notes
    )


def _own_records(
    parts: RunParts, models: Models, info: StreamInfo, template: Path
) -> StreamRecordSink:
    path = output_path(template, info.stream)
    header = _record_header(parts.config, models, [info], parts.heads)
    return StreamRecordSink(
        path,
        lambda: open_records(path, header, parts.claims),
        parts.times,
        parts.segments,
        parts.text_finished,
    )


def _subtitles(parts: RunParts, info: StreamInfo, template: Path) -> SubtitleSink:
    """As the annotated video counts its time, where one is written."""
    config = parts.config
    from_zero = info.live or (config.output is not None and config.start > 0)
    writer = SubtitleWriter(
        output_path(template, info.stream),
        info,
        _wording(config, info),
        parts.claims,
        from_zero=from_zero,
    )
    return SubtitleSink(writer, parts.times, parts.segments, parts.text_finished)


def _wording(config: RunConfig, info: StreamInfo) -> Wording:
    return Wording(config.language, parse_names(config.speaker, "--speaker", info.stream))


def _video_config(config: RunConfig) -> VideoConfig:
    return VideoConfig(encoder=config.encoder, preset=config.preset, crf=config.crf)


def _audio_span(config: RunConfig, stream: OpenedStream) -> AudioSpan | TravellingSound | None:
    if isinstance(stream.source, FileSource | LiveSource) and stream.source.sound is not None:
        return stream.source.sound
    if stream.spec.kind is not SourceKind.FILE:
        return None
    return AudioSpan(Path(stream.spec.location), config.start, config.duration, config.loop)
