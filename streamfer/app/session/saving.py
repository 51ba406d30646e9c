"""What a run does without, so that others get the processor: refinement, looks for new faces."""

from __future__ import annotations

import logging
import time

from streamfer.app.config import RunConfig
from streamfer.app.terminal.resources import ResourceMeter
from streamfer.pipeline.cpu_budget import CpuBudget
from streamfer.pipeline.refine.refiner import Refiner

log = logging.getLogger(__name__)


def rest_refiner(refiner: Refiner | None, *, seen: bool, stretch: float = 1.0) -> None:
    """Lets the refiner rest between its batches.

    Args:
        refiner: None where nothing is refined.
        seen: whether somebody sees the drawings; else it rests as long as it works.
        stretch: what `CpuBudget.stretch` says. What is refined can wait longer than new faces can:
            the rest grows with its square, to a hundredth of the time.
    """
    if refiner is not None:
        refiner.rest(stretch**2 * (1.0 if seen else 2.0) - 1.0)


def cpu_budget(
    config: RunConfig, refiner: Refiner | None, notes: list[str], *, live: bool, seen: bool
) -> CpuBudget | None:
    """What keeps `--cpu-budget`; None without one.

    Args:
        config: of the run.
        refiner: what rests first.
        notes: gets what the summary has to say of it.
        live: whether any of the streams is; files take what they can get.
        seen: whether somebody sees the drawings.
    """
    if config.cpu_budget is None:
        return None
    if not live:
        log.warning("--cpu-budget limits live streams; files are analysed as fast as they can be")
        return None
    meter = ResourceMeter("cpu", time.monotonic)

    def busy_cores() -> float | None:
        use = meter.read()
        return None if use is None else use.busy_cores

    given_up = False

    def give_up(reason: str) -> None:
        nonlocal given_up
        # A run that is in its budget every other second would say so all day.
        log.log(logging.DEBUG if given_up else logging.WARNING, "%s", reason)
        if not given_up:
            given_up = True
            notes.append(reason)

    return CpuBudget(
        config.cpu_budget,
        busy_cores,
        lambda stretch: rest_refiner(refiner, seen=seen, stretch=stretch),
        give_up,
        time.monotonic,
    )
