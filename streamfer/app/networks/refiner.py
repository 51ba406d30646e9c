"""Opens the refiner of a run: a child process on a CPU, a thread with its own stream on a GPU."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, field
from pathlib import Path

from safetensors import SafetensorError, safe_open

from streamfer.app.config import RunConfig
from streamfer.app.networks.face_network import LatentFiles
from streamfer.errors import EngineError
from streamfer.models.inversion.curvature import curvature_of
from streamfer.models.inversion.descent import STEPS_OF_A_RUN, search_of_a_run
from streamfer.models.inversion.engines import are_exported, open_refine_engines
from streamfer.models.shipped import SHIPPED
from streamfer.pipeline.refine.process import ProcessBackend
from streamfer.pipeline.refine.refiner import RefineBackend, Refiner, RefinerConfig
from streamfer.pipeline.refine.residual import ResidualConfig
from streamfer.runtime.model import Progress
from streamfer.runtime.store.store import EngineStore, default_root

_WORKER = "streamfer.models.inversion.worker"


@dataclass(frozen=True, slots=True)
class RefinementConfig:
    """What is refined, and how hard."""

    device: str = "cpu"
    """`cpu`, `cuda` or `cuda:N`, as it was resolved for the face network."""
    every_s: float = 0.5
    """Media time between two refinements of one track, in seconds."""
    backend: str = "auto"
    """Of the engines on a CPU; `torch` for a generator of portraits."""
    precision: str = "auto"
    """Of a step on a CPU; see `open_refine_engines`."""
    engines: Path = field(default_factory=default_root)
    """Folder of compiled engines."""
    steps: int = STEPS_OF_A_RUN
    budget_ms: float = 100.0
    """No step is begun after this many milliseconds: on a machine that has other work a long search
    is known too late. The next one goes on from there."""
    generator: Path = SHIPPED.generator
    classifier: Path = SHIPPED.classifier


def refinement_config(
    config: RunConfig, latent: LatentFiles | None, device: str, engines: Path
) -> RefinementConfig | None:
    """What a run refines; None where it doesn't.

    Args:
        config: of the run.
        latent: what its codes are refined with; None where there are no codes.
        device: where its face network runs.
        engines: folder of compiled engines.
    """
    if not config.refine or latent is None:
        return None
    return RefinementConfig(
        device=device,
        every_s=config.refine_every,
        # Portraits are drawn by networks too large for a graph that holds their gradient, too.
        backend=config.backend if config.face_model == "shipped" else "torch",
        precision=config.drawing_precision,
        engines=engines,
        steps=config.refine_steps,
        generator=latent.generator,
        classifier=latent.classifier,
    )


def prepare_refinement(config: RefinementConfig, store: EngineStore, on_progress: Progress) -> None:
    """Makes the engines that the child process of a CPU will want, where the store lacks their
    graphs; else the child opens them, or compiles them anew, while the run goes on.

    Raises:
        EngineError: a network is missing or damaged, or no backend works.
    """
    if config.device != "cpu" or config.backend == "torch":
        return
    if not are_exported(config.generator, config.classifier, store):
        open_refine_engines(
            config.generator,
            config.classifier,
            config.backend,
            store,
            on_progress,
            precision=config.precision,
        ).close()


def open_refiner(config: RefinementConfig) -> Refiner:
    """The refiner, not started yet.

    Raises:
        EngineError: a network is missing, damaged, or cannot run on the device.
    """
    return Refiner(open_refine_backend(config), refiner_config(config))


def refiner_config(config: RefinementConfig) -> RefinerConfig:
    """On a CPU faces are refined one after the other, so none waits for those behind it."""
    if config.device == "cpu":
        return RefinerConfig(every_s=config.every_s, max_batch=1)
    return RefinerConfig(every_s=config.every_s)


def residual_config(config: RefinementConfig) -> ResidualConfig:
    """How residuals fade, in units of this generator's styles.

    Raises:
        EngineError: the generator is missing, damaged, or does not say how far its styles spread.
    """
    path = config.generator
    try:
        with safe_open(path, framework="numpy") as file:
            spread = float((file.metadata() or {})["spread"])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise EngineError(f"{path.name}: cannot read the generator: {error}") from error
    if not (math.isfinite(spread) and spread > 0):
        raise EngineError(f"{path.name}: its styles cannot have a spread of {spread}")
    # A new one comes so often; asked for more often, it doesn't fade sooner than it can come.
    half_life_s = max(config.every_s, ResidualConfig().half_life_s)
    return ResidualConfig(spread=spread, half_life_s=half_life_s)


def open_refine_backend(config: RefinementConfig) -> RefineBackend:
    """What does the optimisation, not started yet.

    Raises:
        EngineError: a network is missing, damaged, or cannot run on the device.
    """
    if config.device.startswith("cuda"):
        from streamfer.models.inversion.refinement import load_refiner  # loads torch

        known = curvature_of(config.generator, config.classifier)
        settings = search_of_a_run(config.steps, config.budget_ms, known)
        return load_refiner(config.generator, config.classifier, settings, config.device)
    command = [
        # -P: nothing that lies in the folder where the program is started is imported.
        *(sys.executable, "-P", "-m", _WORKER),
        *("--generator", str(config.generator)),
        *("--classifier", str(config.classifier)),
        *("--backend", config.backend),
        *("--precision", config.precision),
        *("--engines", str(config.engines)),
        *("--steps", str(config.steps)),
        *("--budget-ms", str(config.budget_ms)),
    ]
    return ProcessBackend(command, [*command, "--prepare"] if _must_export(config) else ())


def _must_export(config: RefinementConfig) -> bool:
    """Whether graphs must be exported first, for which the child would keep most of a gigabyte."""
    try:
        return config.backend != "torch" and not are_exported(
            config.generator, config.classifier, EngineStore(config.engines)
        )
    except EngineError:  # the child says what is wrong with the weights
        return False
