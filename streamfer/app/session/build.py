"""Puts a run together from its configuration: the only place that names concrete classes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from streamfer.app.config import RunConfig
from streamfer.app.networks.face_reader import open_face_reader
from streamfer.app.networks.imagination import imagination
from streamfer.app.networks.models import Models
from streamfer.app.networks.refiner import residual_config
from streamfer.app.networks.takeover import ServingNetworks, SharedAnalyzer
from streamfer.app.session.parts import RunParts
from streamfer.app.session.sources import OpenedStream
from streamfer.app.session.stream_sinks import sink_factory
from streamfer.media.files.claims import OutputClaims
from streamfer.pipeline.analyzer import Analyzer
from streamfer.pipeline.baseline import Baseline
from streamfer.pipeline.collector import CollectorConfig
from streamfer.pipeline.config import PipelineConfig
from streamfer.pipeline.cover import Cover, FaceCover, NoCover
from streamfer.pipeline.cpu_budget import CpuBudget
from streamfer.pipeline.events.detector import EventDetector
from streamfer.pipeline.lane import StreamPlan
from streamfer.pipeline.outlet import NoEvents
from streamfer.pipeline.pipeline import Pipeline
from streamfer.pipeline.refine.refiner import Refiner
from streamfer.pipeline.refine.residual import ResidualConfig
from streamfer.pipeline.stats.timing import StageTimes
from streamfer.pipeline.stream_memory import AnalyzerConfig
from streamfer.types import FrameResult
from streamfer.vision.heads.expression import of_expressions
from streamfer.vision.heads.head import FaceHead

if TYPE_CHECKING:
    from streamfer.media.records.latents import LatentWriter


def build_analyzer(
    config: RunConfig,
    models: Models,
    times: StageTimes,
    refiner: Refiner | None = None,
    heads: Sequence[FaceHead] = (),
    *,
    draw_all: bool = True,
    budget: CpuBudget | None = None,
) -> Analyzer:
    """The analyzer of a run.

    Args:
        config: of the run.
        models: its networks.
        times: where the time of each step is counted.
        refiner: refines latents in the background.
        heads: what else is said of each face.
        draw_all: whether somebody sees how the faces are drawn.
        budget: of processor time.

    Raises:
        EngineError: the generator is broken.
    """
    reader = open_face_reader(models.detector, models.face)
    return Analyzer(
        reader,
        analyzer_config(config, models, draw_all=draw_all),
        times,
        refiner,
        models.trust,
        of_expressions(heads, models.expressions),
        models.drawer,
        imagination(config),
        budget,
    )


def analyzer_config(config: RunConfig, models: Models, *, draw_all: bool) -> AnalyzerConfig:
    """What the analyzer of a run does with each frame."""
    refinement = models.refinement
    return AnalyzerConfig(
        detect_every=config.detection_interval,
        search_everywhere=config.drop == "never",
        faint_at_once=config.faces != "shown",  # rather a shoulder covered than a face shown
        label_set=models.label_set(config.label_set),
        residual=residual_config(refinement) if refinement else ResidualConfig(),
        draw_all=draw_all,
    )


def build_pipeline(
    parts: RunParts, streams: Sequence[OpenedStream], networks: ServingNetworks
) -> Pipeline:
    """The pipeline of a run, not started yet.

    Raises:
        EngineError: the generator is broken.
    """
    config = parts.config
    with networks.serving() as models:
        analyzer = build_analyzer(
            config,
            models,
            parts.times,
            parts.refiner,
            parts.heads,
            draw_all=parts.draw_faces,
            budget=parts.budget,
        )
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
        make_sinks=sink_factory(parts, stream, models),
        info=stream.info,
        is_open=stream.is_open,
        events=NoEvents() if parts.events is None else EventDetector(parts.events),
        adjust=_adjustment(parts.config),
        cover=face_cover(parts.config, live=stream.info.live),
        lossless=drop == "never" or (drop == "auto" and not stream.info.live),
    )


def _adjustment(config: RunConfig) -> Callable[[FrameResult], FrameResult]:
    if config.baseline is None:
        return lambda result: result
    return Baseline(config.baseline_s).apply


def face_cover(config: RunConfig, *, live: bool) -> Cover:
    """What covers faces in one stream's pictures, as `--faces` says.

    Args:
        config: of the run.
        live: whether its pictures cannot wait for what comes after them.
    """
    if config.faces == "shown":
        return NoCover()
    return FaceCover(look_ahead=not live, draw=config.faces == "synthetic")


def collector_config(device: str) -> CollectorConfig:
    """On a CPU a larger batch is not faster per frame, and makes all of its frames older: sixteen
    cameras on two cores were five times as fresh with batches of 4 as with 16, in half the memory.
    """
    return CollectorConfig(max_batch=4) if device == "cpu" else CollectorConfig()


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
