"""The networks of a run: which files, through which engines."""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

import numpy as np

from streamfer.app.config import RunConfig
from streamfer.app.networks.detectors import detector_model, make_detector
from streamfer.app.networks.drawer import EngineDrawer, open_draw_engine
from streamfer.app.networks.face_network import FaceNetwork, choose_face_network
from streamfer.app.networks.face_reader import open_face_reader
from streamfer.app.networks.own_weights import OwnWeights
from streamfer.app.networks.refiner import (
    RefinementConfig,
    prepare_refinement,
    refinement_config,
)
from streamfer.engine import Engine
from streamfer.errors import ConfigError
from streamfer.labels import LABELS, LabelSet
from streamfer.models.shipped import SHIPPED, WeightFiles
from streamfer.runtime.model import OnnxModel, Progress
from streamfer.runtime.open_engine import open_engine, open_serving_engine
from streamfer.runtime.planning import find_machine
from streamfer.runtime.store.store import EngineStore
from streamfer.types import Detection
from streamfer.vision.detection.detector import Detector
from streamfer.vision.detection.search import EveryShape
from streamfer.vision.detection.served import SERVED
from streamfer.vision.face_reader import detect_on_host
from streamfer.vision.portrait import crop_shape
from streamfer.vision.trust import TrustModel

log = logging.getLogger(__name__)


Network = TypeVar("Network", Detector, Engine)


@dataclass(frozen=True, slots=True, eq=False)
class BetterNetwork:
    """A network whose best engine must be compiled for long, while another one serves."""

    part: Literal["detector", "face"]
    """Which of the `Models` it is."""
    name: str
    serving: str
    """The backend that serves meanwhile."""
    backend: str
    """The backend that shall take over."""
    open: Callable[[threading.Event, Iterable[tuple[int, int]]], Detector | Engine]
    """Compiles it and makes it ready for frames of these widths and heights; gives up once the
    event is set."""


@dataclass(frozen=True, slots=True, eq=False)
class Models:
    """The networks that a run uses."""

    detector: Detector
    face: Engine
    refinement: RefinementConfig | None = None
    """How codes are refined; None where they are not, or the face network answers none."""
    trust: TrustModel | None = None
    """In the answers of the face network; None where nothing was fitted to it."""
    better: tuple[BetterNetwork, ...] = ()
    """What shall take over once it is compiled."""
    own: OwnWeights | None = None
    """The user's own weights that the face network is made of."""
    drawing: Engine | None = None
    """Draws faces from their codes; None where nothing is drawn in every frame."""

    @property
    def expressions(self) -> tuple[str, ...]:
        """Those of LABELS that the face network was taught."""
        return LABELS if self.own is None else self.own.taught.expressions

    @property
    def drawer(self) -> EngineDrawer | None:
        """What draws, where something does."""
        return None if self.drawing is None else EngineDrawer(self.drawing)

    def label_set(self, wanted: LabelSet) -> LabelSet:
        """Whose labels the run has: the wanted ones, unless own weights have only the others."""
        return wanted if self.own is None else self.own.label_set(wanted)

    def warm_up(self, frame_sizes_wh: Iterable[tuple[int, int]]) -> None:
        """Runs both once on blank input: a network's first run for a new shape is a slow one, and
        a live stream would pay for it with its first frames.

        Args:
            frame_sizes_wh: width and height of the frames to come, in pixels.
        """
        reader = open_face_reader(self.detector, self.face)
        for width, height in set(frame_sizes_wh):
            pictures = reader.take([np.zeros((height, width, 3), dtype=np.uint8)])
            pictures.detect([0], [EveryShape()])
            box = np.array([0, 0, width, height], dtype=np.float32)
            face = Detection(box, score=1.0, landmarks=np.zeros((5, 2), dtype=np.float32))
            pictures.align([0], [face]).read(())

    def close(self) -> None:
        """Frees them."""
        self.detector.close()
        self.face.close()
        if self.drawing is not None:
            self.drawing.close()


def _warm_up_detector(detector: Detector, frame_sizes_wh: Iterable[tuple[int, int]]) -> None:
    for width, height in set(frame_sizes_wh):
        detect_on_host(detector, [np.zeros((height, width, 3), dtype=np.uint8)], [EveryShape()])


def _warm_up_face(face: Engine, frame_sizes_wh: Iterable[tuple[int, int]]) -> None:
    """Of no matter to it are the frames' sizes: its pictures are faces."""
    (spec,) = face.inputs
    face.run({"faces": np.zeros((1, *crop_shape(spec)), dtype=np.uint8)})


def open_models(
    config: RunConfig,
    store: EngineStore,
    on_progress: Progress,
    weights: WeightFiles | None = None,
    *,
    at_once: bool = False,
    on_refinement: Callable[[RefinementConfig], None] = lambda _: None,
) -> Models:
    """Opens the face network and the detector on the configured backend.

    Args:
        config: names detector, backend, device, precision.
        store: compiled engines.
        on_progress: told of builds that take a while.
        weights: of the face network; None for the shipped ones.
        at_once: for live streams: what takes long to compile is left to `Models.better`, and what
            is ready serves meanwhile.
        on_refinement: told how codes will be refined as soon as that is known, before the other
            networks are opened: what refines may load beside them.

    Raises:
        ConfigError: the detector is not to be had, or the latent codes that are asked for.
        EngineError: a network is missing, broken or cannot run here, or the trust model is broken.
    """
    chosen = choose_face_network(config, weights or SHIPPED, store, on_progress)
    networks = _Networks(config, store, on_progress, at_once)
    face, refinement = networks.open_face(chosen, on_refinement)
    try:
        detector = networks.open_detector()
    except BaseException:
        face.close()
        raise
    better = tuple(networks.better)
    models = Models(detector, face, refinement, chosen.trust, better, chosen.own)
    try:
        if not draws_faces(config):
            return models
        if chosen.latent is None:
            if config.show == "drawing" and config.faces != "synthetic":
                return models
            raise ConfigError("--show and --faces synthetic need the latent networks' weights")
        generator, device = chosen.latent.generator, face.device
        drawing = open_draw_engine(generator, config, device, store, on_progress, at_once=at_once)
    except BaseException:
        models.close()
        raise
    return replace(models, drawing=drawing)


def draws_faces(config: RunConfig) -> bool:
    """Whether every face is drawn in every frame. Portraits are not: their generators are so large
    that a frame would take seconds."""
    wanted = config.refine or config.show != "drawing" or config.faces == "synthetic"
    return wanted and config.face_model == "shipped"


class _Networks:
    """Opens the networks of a run, and notes which of them better engines shall take over."""

    def __init__(
        self, config: RunConfig, store: EngineStore, on_progress: Progress, at_once: bool
    ) -> None:
        self._config = config
        self._store = store
        self._on_progress = on_progress
        self._at_once = at_once
        self.better: list[BetterNetwork] = []

    def open_detector(self) -> Detector:
        config = self._config
        settings = dataclasses.replace(
            SERVED,
            long_side=config.detection_side,
            full_size=config.detect_size == "auto",
            min_face_px=config.min_face,
        )
        return self._open(
            "detector",
            detector_model(config.detector, self._store),
            detector_precision(config),
            lambda engine: make_detector(config.detector, engine, settings),
            _warm_up_detector,
        )

    def open_face(
        self, chosen: FaceNetwork, on_refinement: Callable[[RefinementConfig], None]
    ) -> tuple[Engine, RefinementConfig | None]:
        """The face network, and how its codes are refined, which is told as soon as it is known."""

        def begin(device: str) -> RefinementConfig | None:
            found = refinement_config(self._config, chosen.latent, device, self._store.root)
            if found is not None:
                if not self._at_once:
                    prepare_refinement(found, self._store, self._on_progress)
                on_refinement(found)
            return found

        on_cpu = self._config.device == "cpu" or not find_machine().gpu_is_usable
        refinement = begin("cpu") if on_cpu else None
        precision = self._config.precision
        face = self._open("face", chosen.make(), precision, lambda engine: engine, _warm_up_face)
        try:
            return face, refinement if on_cpu else begin(face.device)
        except BaseException:
            face.close()
            raise

    def _open(
        self,
        part: Literal["detector", "face"],
        model: OnnxModel,
        precision: str,
        finish: Callable[[Engine], Network],
        warm_up: Callable[[Network, Iterable[tuple[int, int]]], None],
    ) -> Network:
        config, store = self._config, self._store
        threads = config.threads or None
        if not self._at_once:
            engine = open_engine(
                model,
                backend=config.backend,
                device=config.device,
                precision=precision,
                store=store,
                threads=threads,
                on_progress=self._on_progress,
            )
            return finish(engine)
        engine, successor = open_serving_engine(
            model,
            backend=config.backend,
            device=config.device,
            precision=precision,
            store=store,
            threads=threads,
        )
        if successor is not None:
            backend, open_successor = successor.backend, successor.open

            def open_better(
                cancelled: threading.Event, frame_sizes_wh: Iterable[tuple[int, int]]
            ) -> Network:
                better = finish(open_successor(EngineStore(store.root, log.info, cancelled)))
                warm_up(better, frame_sizes_wh)
                return better

            self.better.append(
                BetterNetwork(part, model.name, engine.backend, backend, open_better)
            )
            store.notify(f"{model.name}: {engine.backend} serves while {backend} compiles")
        return finish(engine)


def detector_precision(config: RunConfig) -> str:
    """int8 is for the face network: CenterFace becomes slower with it."""
    return "auto" if config.precision == "int8" else config.precision
