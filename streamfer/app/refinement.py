"""Opens the refiner of a run: a child process on a CPU, a thread with its own stream on a GPU."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from streamfer.errors import EngineError
from streamfer.models.shipped import SHIPPED
from streamfer.pipeline.refine_process import ProcessBackend
from streamfer.pipeline.refiner import RefineBackend, Refiner, RefinerConfig
from streamfer.pipeline.residual import ResidualConfig

_WORKER = "streamfer.models.refine_worker"


@dataclass(frozen=True, slots=True)
class RefinementConfig:
    """What is refined, and how hard."""

    device: str = "cpu"
    """`cpu`, `cuda` or `cuda:N`, as it was resolved for the face network."""
    every_s: float = 4.0
    """Media time between two refinements of one track, in seconds."""
    steps: int = 100
    budget_ms: float = 7000.0
    """No step is begun after this many milliseconds."""
    generator: Path = SHIPPED.generator
    classifier: Path = SHIPPED.classifier


def open_refiner(config: RefinementConfig) -> Refiner:
    """The refiner, not started yet.

    Raises:
        EngineError: a network is missing, damaged, or cannot run on the device.
    """
    return Refiner(open_refine_backend(config), RefinerConfig(every_s=config.every_s))


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
        from streamfer.models.inversion import InversionConfig  # loads torch
        from streamfer.models.refinement import load_refiner

        settings = InversionConfig(steps=config.steps, budget_ms=config.budget_ms)
        return load_refiner(config.generator, config.classifier, settings, config.device)
    return ProcessBackend(
        [
            # -P: nothing that lies in the folder where the program is started is imported.
            *(sys.executable, "-P", "-m", _WORKER),
            *("--generator", str(config.generator)),
            *("--classifier", str(config.classifier)),
            *("--steps", str(config.steps)),
            *("--budget-ms", str(config.budget_ms)),
        ]
    )
