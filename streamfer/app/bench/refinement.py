"""How long the refinement of one face takes; a part of `streamfer bench --engines`."""

from __future__ import annotations

import statistics
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from streamfer.app.config import RunConfig
from streamfer.app.networks.face_model import face_model
from streamfer.app.networks.refiner import RefinementConfig, open_refine_backend
from streamfer.engine import Array
from streamfer.models.shipped import SHIPPED
from streamfer.runtime.open_engine import open_engine
from streamfer.runtime.self_check import sample_inputs
from streamfer.runtime.store.store import EngineStore

_ROUNDS = 5
_NO_BUDGET_MS = 600_000.0


@dataclass(frozen=True, slots=True)
class RefinementTime:
    """How long the refinement of one face takes."""

    device: str
    steps: int
    """Steps that were done; it ends early where nothing is gained any more."""
    seconds: float
    """Median over some rounds."""

    @property
    def per_100_steps_s(self) -> float:
        """Seconds for a hundred steps."""
        return self.seconds / self.steps * 100

    def as_json(self) -> dict[str, Any]:
        """What `bench --json` carries of it."""
        return {
            "device": self.device,
            "steps": self.steps,
            "seconds": round(self.seconds, 4),
            "per_100_steps_s": round(self.per_100_steps_s, 4),
        }


def bench_refinement(
    config: RunConfig, store: EngineStore, console: Console
) -> RefinementTime | None:
    """Refines the portrait's face a few times from the encoder's code, and prints how long it took.

    Args:
        config: names backend, device and precision, and the most steps.
        store: compiled engines.
        console: where to.

    Returns:
        None where it is off, or the weights of the latent networks are missing.

    Raises:
        EngineError: a network is missing, damaged, or cannot run on the device.
    """
    if not config.refine or SHIPPED.missing_latent:
        return None
    device, faces, latents = _encoded_portrait(config, store)
    settings = RefinementConfig(
        device=device,
        backend=config.backend,
        engines=store.root,
        steps=config.refine_steps,
        budget_ms=_NO_BUDGET_MS,
        generator=SHIPPED.generator,
        classifier=SHIPPED.classifier,
    )
    console.print("measuring refinement …")
    with closing(open_refine_backend(settings)) as backend:
        backend.start()
        backend.refine(faces, latents)  # loads, compiles, records
        rounds = [backend.refine(faces, latents) for _ in range(_ROUNDS)]
    seconds = statistics.median(refinement.seconds for refinement in rounds)
    time = RefinementTime(device, rounds[0].steps, seconds)
    console.print(
        f"refinement of one face on {device}: {time.steps} steps in {seconds:.2f} s,"
        f" {time.per_100_steps_s:.2f} s for 100"
    )
    return time


def _encoded_portrait(config: RunConfig, store: EngineStore) -> tuple[str, Array, Array]:
    """The face network's device, the portrait's face as it takes it, and the encoder's code."""
    engine = open_engine(
        face_model(SHIPPED, store, lambda *_: None),
        backend=config.backend,
        device=config.device,
        precision=config.precision,
        store=store,
        threads=config.threads or None,
    )
    with closing(engine):
        # The portrait's head; the other sample is all of it.
        faces = {name: array[1:] for name, array in sample_inputs(engine.inputs, 2).items()}
        return engine.device, faces["faces"], engine.run(faces)["latent"]
