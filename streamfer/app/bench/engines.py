"""`streamfer bench --engines`: the networks alone, against their backends called directly."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from rich.console import Console
from rich.table import Table

from streamfer.app.config import RunConfig
from streamfer.app.networks.detectors import detector_model
from streamfer.app.networks.face_model import face_model
from streamfer.app.networks.models import detector_precision
from streamfer.app.terminal.build_progress import BuildProgress
from streamfer.engine import Engine
from streamfer.models.shipped import SHIPPED
from streamfer.runtime.arithmetic import count_flops, measure_flops_limit
from streamfer.runtime.model import BareRun, OnnxModel
from streamfer.runtime.open_engine import open_bare, open_engine, ready_run
from streamfer.runtime.self_check import sample_inputs
from streamfer.runtime.store.store import EngineStore
from streamfer.vision.detection.search_plan import network_size

Run = Callable[[], object]

_FRAME_WH = (1280, 720)
"""Whose shape the detector's input has; its size is that of `--detect-size`."""


@dataclass(frozen=True, slots=True)
class EngineBenchConfig:
    """What is measured and how long."""

    rounds: int = 5
    """Engine and bare backend take turns so many times; medians are quoted."""
    round_s: float = 1.0
    """Length of each turn, in seconds."""
    detector_batches: tuple[int, ...] = (1, 4)
    face_batches: tuple[int, ...] = (1, 8, 32)
    gpu_face_batches: tuple[int, ...] = (128,)
    """More batches of faces, on a GPU."""


@dataclass(frozen=True, slots=True)
class EngineRates:
    """One network at one batch size."""

    network: str
    backend: str
    device: str
    precision: str
    batch: int
    flops: float
    """Floating-point operations for one picture or face."""
    rates: tuple[float, ...]
    """Pictures or faces per second of our engine, each round."""
    bare_rates: tuple[float, ...]
    """The same of the backend called directly; empty where that is not measured."""
    flops_limit: float | None
    """Floating-point operations per second of which the device is capable in this precision."""

    @property
    def rate(self) -> float:
        """Median of `rates`."""
        return statistics.median(self.rates)

    @property
    def bare_rate(self) -> float | None:
        """Median of `bare_rates`."""
        return statistics.median(self.bare_rates) if self.bare_rates else None

    @property
    def ratio(self) -> float | None:
        """Our engine's share of what the bare backend reaches: the median over the rounds."""
        if not self.bare_rates:
            return None
        pairs = zip(self.rates, self.bare_rates, strict=True)
        return statistics.median(ours / bare for ours, bare in pairs)

    @property
    def limit_share(self) -> float | None:
        """Share of the device's arithmetic that this rate takes."""
        return self.rate * self.flops / self.flops_limit if self.flops_limit else None


def bench_engines(
    config: RunConfig, console: Console, settings: EngineBenchConfig | None = None
) -> list[EngineRates]:
    """Measures the detector's and the face network's engines, and prints a table.

    Args:
        config: names detector, its input size, backend, device, precision, threads.
        console: where to.
        settings: what to measure and how long.

    Raises:
        ConfigError: the detector is not to be had.
        EngineError: a network is missing, broken or cannot run here.
    """
    settings = settings or EngineBenchConfig()
    with BuildProgress(Console(stderr=True)) as progress:
        store = EngineStore(notify=progress.note)
        bench = _EngineBench(config, settings, store, progress, console)
        rates = [
            *bench.measure(
                detector_model(config.detector, store),
                detector_precision(config),
                settings.detector_batches,
            ),
            *bench.measure(
                face_model(SHIPPED, store, progress.report),
                config.precision,
                settings.face_batches,
                settings.gpu_face_batches,
            ),
        ]
    _print(rates, console)
    return rates


def rates_as_json(rates: Sequence[EngineRates]) -> list[dict[str, Any]]:
    """What `bench --json` carries of them."""
    return [
        {
            "network": one.network,
            "backend": one.backend,
            "device": one.device,
            "precision": one.precision,
            "batch": one.batch,
            "per_s": round(one.rate, 2),
            "per_s_rounds": [round(rate, 2) for rate in one.rates],
            "bare_per_s": _rounded(one.bare_rate, 2),
            "bare_per_s_rounds": [round(rate, 2) for rate in one.bare_rates],
            "ratio": _rounded(one.ratio, 4),
            "gflop": round(one.flops / 1e9, 6),
            "limit_gflops": _rounded(one.flops_limit and one.flops_limit / 1e9, 1),
            "limit_share": _rounded(one.limit_share, 4),
        }
        for one in rates
    ]


class _EngineBench:
    """Measures networks, one after the other."""

    def __init__(
        self,
        config: RunConfig,
        settings: EngineBenchConfig,
        store: EngineStore,
        progress: BuildProgress,
        console: Console,
    ) -> None:
        self._config = config
        self._settings = settings
        self._store = store
        self._progress = progress
        self._console = console

    def measure(
        self,
        model: OnnxModel,
        precision: str,
        batches: Sequence[int],
        gpu_batches: Sequence[int] = (),
    ) -> list[EngineRates]:
        """Measures one network at several batch sizes."""
        config = self._config
        threads = config.threads or None
        engine = open_engine(
            model,
            backend=config.backend,
            device=config.device,
            precision=precision,
            store=self._store,
            threads=threads,
            on_progress=self._progress.report,
        )
        try:
            bare = open_bare(model, engine, threads)
            limit = measure_flops_limit(engine.device, engine.precision, self._settings.round_s)
            if engine.device != "cpu":
                batches = (*batches, *gpu_batches)
            return [self._measure(model, engine, bare, batch, limit) for batch in batches]
        finally:
            engine.close()

    def _measure(
        self,
        model: OnnxModel,
        engine: Engine,
        bare: BareRun | None,
        batch: int,
        flops_limit: float | None,
    ) -> EngineRates:
        self._console.print(f"measuring {engine.name}, batch {batch} …")
        picture_wh = network_size(*_FRAME_WH, self._config.detection_side)
        inputs = sample_inputs(engine.inputs, batch, picture_wh)
        runs: list[Run] = [ready_run(engine, inputs)]
        if bare is not None:
            runs.append(lambda: bare(inputs))
        calls_per_s = interleaved_rates(runs, self._settings.rounds, self._settings.round_s)
        ours, *bares = [tuple(rate * batch for rate in rates) for rates in calls_per_s]
        flops = count_flops(model, {name: array.shape for name, array in inputs.items()})
        return EngineRates(
            network=engine.name,
            backend=engine.backend,
            device=engine.device,
            precision=engine.precision,
            batch=batch,
            flops=flops / batch,
            rates=ours,
            bare_rates=bares[0] if bares else (),
            flops_limit=flops_limit,
        )


def interleaved_rates(
    runs: Sequence[Run],
    rounds: int,
    round_s: float,
    clock: Callable[[], float] = time.perf_counter,
) -> list[list[float]]:
    """Calls per second of several functions that take turns, so that what else the machine does
    meets all of them.

    Args:
        runs: what to call.
        rounds: turns of each; every second round goes through them backwards.
        round_s: length of a turn in seconds, after one call that does not count.
        clock: monotonic seconds.

    Returns:
        For each function its rate in each round.
    """
    rates: list[list[float]] = [[] for _ in runs]
    order = list(zip(runs, rates, strict=True))
    for _ in range(rounds):
        for run, noted in order:
            noted.append(_rate(run, round_s, clock))
        order.reverse()
    return rates


def _rate(run: Run, seconds: float, clock: Callable[[], float]) -> float:
    run()
    calls = 0
    began = clock()
    while (elapsed := clock() - began) < seconds:
        run()
        calls += 1
    return calls / elapsed


def _print(rates: Sequence[EngineRates], console: Console) -> None:
    for network, group in itertools.groupby(rates, key=attrgetter("network")):
        members = list(group)
        first = members[0]
        table = Table(
            title=f"{network} alone: {first.backend} on {first.device} in {first.precision}",
            title_justify="left",
        )
        for heading in ("batch", "a second", "bare backend", "ratio", "GFLOP each", "of the limit"):
            table.add_column(heading, justify="right")
        for one in members:
            table.add_row(
                str(one.batch),
                f"{one.rate:.1f}",
                _shown(one.bare_rate, ".1f"),
                _shown(one.ratio, ".1%"),
                f"{one.flops / 1e9:.2f}",
                _shown(one.limit_share, ".1%"),
            )
        console.print(table)


def _shown(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
