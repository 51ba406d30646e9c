"""The sinks of one stream: records, latents, pictures, and what else takes its results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from streamfer import __version__
from streamfer.app.config import RunConfig
from streamfer.app.networks.models import Models
from streamfer.app.session.annotated_picture import AnnotatedPicture
from streamfer.app.session.clip_sink import ClipConfig, clip_sinks
from streamfer.app.session.delivery.lsl import LslSink, load_lsl
from streamfer.app.session.network_sink import NetworkSink
from streamfer.app.session.outputs import (
    STREAM_FIELD,
    annotated_path,
    network_output,
    output_path,
    video_config,
)
from streamfer.app.session.parts import RunParts
from streamfer.app.session.picture_sink import PictureSink
from streamfer.app.session.sinks import (
    LatentSink,
    RecordSink,
    SnapshotSink,
    VideoSink,
    WindowSink,
)
from streamfer.app.session.sources import OpenedStream
from streamfer.app.session.stream_records import StreamRecordSink
from streamfer.app.session.subtitle_sink import SubtitleSink
from streamfer.labels import LABELS
from streamfer.media.files.claims import OutputClaims
from streamfer.media.records.writer import ModelInfo, RecordHeader, RecordWriter, open_records
from streamfer.media.sources.file import FileSource
from streamfer.media.sources.kinds import SourceKind
from streamfer.media.sources.live import LiveSource
from streamfer.media.sources.sound import TravellingSound
from streamfer.media.subtitles.captions import Captions
from streamfer.media.subtitles.wording import Wording, parse_names
from streamfer.media.subtitles.writer import SubtitleWriter
from streamfer.media.video.audio import AudioSpan
from streamfer.media.video.network import NetworkVideo
from streamfer.media.video.network_connection import NetworkAddress
from streamfer.media.video.picture_file import is_picture_path
from streamfer.media.video.rates import nominal_rate
from streamfer.media.video.writer import VideoWriter
from streamfer.pipeline.baseline import BASELINE_FIELDS
from streamfer.pipeline.outlet import Sink
from streamfer.types import StreamInfo
from streamfer.vision.heads.head import FaceHead, head_fields

if TYPE_CHECKING:
    pass


def open_record_writer(
    config: RunConfig,
    models: Models,
    infos: Sequence[StreamInfo],
    claims: OutputClaims,
    run: str,
    heads: Sequence[FaceHead] = (),
) -> RecordWriter | None:
    """Opens the records that all streams share, if such are asked for, with their header.

    Raises:
        ConfigError: the suffix names no format.
        OutputError: they cannot be written.
    """
    if config.records is None or STREAM_FIELD in str(config.records):
        return None
    return open_records(config.records, _record_header(config, models, infos, heads, run), claims)


def _record_header(
    config: RunConfig,
    models: Models,
    infos: Sequence[StreamInfo],
    heads: Sequence[FaceHead],
    run: str,
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
        faces=config.faces,
        taught=models.expressions,
        run=run,
    )


def _face_info(models: Models) -> ModelInfo:
    """The face network for the header: of own weights the very file."""
    if models.own is not None:
        return ModelInfo(models.own.path.name, models.own.sha256)
    return ModelInfo(models.face.name, models.face.sha256)


def sink_factory(
    parts: RunParts, stream: OpenedStream, models: Models
) -> Callable[[StreamInfo], list[Sink]]:
    """The sinks of one stream; those that draw come last."""

    def make(info: StreamInfo) -> list[Sink]:
        config = parts.config
        picture = AnnotatedPicture(
            parts.overlay, parts.statistics, parts.times, in_place=not parts.keep_pictures
        )
        sinks = [*parts.extra, *(deliver(info.stream) for deliver in parts.deliver)]
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
            sinks += clip_sinks(clips, stream, parts.claims, parts.note_clip, parts.notes)
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
        lambda: VideoWriter(path, info, video_config(config), audio, parts.claims, captions),
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
    settings, rate = video_config(parts.config), nominal_rate(info)
    return NetworkSink(
        address.label, lambda: NetworkVideo(address, settings, rate, audio), picture, parts.notes
    )


def _own_records(
    parts: RunParts, models: Models, info: StreamInfo, template: Path
) -> StreamRecordSink:
    path = output_path(template, info.stream)
    header = _record_header(parts.config, models, [info], parts.heads, parts.run)
    return StreamRecordSink(
        path,
        lambda: open_records(path, header, parts.claims),
        parts.times,
        parts.segments,
        parts.text_finished,
    )


def _wording(config: RunConfig, info: StreamInfo) -> Wording:
    return Wording(config.language, parse_names(config.speaker, "--speaker", info.stream))


def _audio_span(config: RunConfig, stream: OpenedStream) -> AudioSpan | TravellingSound | None:
    if isinstance(stream.source, FileSource | LiveSource) and stream.source.sound is not None:
        return stream.source.sound
    if stream.spec.kind is not SourceKind.FILE:
        return None
    return AudioSpan(Path(stream.spec.location), config.start, config.duration, config.loop)


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
