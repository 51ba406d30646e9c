"""Opens a network on the best backend that works here."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from streamfer.engine import Array, Engine
from streamfer.errors import EngineError
from streamfer.runtime.backends.onnxruntime import OnnxRuntimeEngine
from streamfer.runtime.backends.table import BACKENDS, EngineRequest
from streamfer.runtime.forks import note_use
from streamfer.runtime.model import BareRun, OnnxModel, Precision, Progress
from streamfer.runtime.planning import Machine, Plan, find_machine, plan_engine
from streamfer.runtime.self_check import Verdict, self_check
from streamfer.runtime.store.engine_key import EngineKey
from streamfer.runtime.store.store import EngineStore

_CHECK_RECIPE = 1


def open_engine(
    model: OnnxModel,
    *,
    backend: str = "auto",
    device: str = "auto",
    precision: str = "auto",
    store: EngineStore,
    threads: int | None = None,
    on_progress: Progress | None = None,
    machine: Machine | None = None,
) -> Engine:
    """Opens a network on the backend asked for, or on the best that works.

    Under `auto` whatever is not the reference (ONNX Runtime in the file's own precision) serves
    only after its answers were held against the reference; the verdict is kept in the store.

    Args:
        model: the network.
        backend: one of BACKENDS, or `auto`.
        device: `cpu`, `cuda`, `cuda:N`, or `auto`.
        precision: a `Precision`, or `auto`.
        store: keeps compiled engines and verdicts, and passes on lines for people.
        threads: threads of one run on the CPU; None leaves it to the backend.
        on_progress: told how far a long build is.
        machine: what there is; None looks.

    Raises:
        EngineError: nothing that fits the request works here; says why.
    """
    machine = machine or find_machine()
    plans = plan_engine(model, machine, backend=backend, device=device, precision=precision)
    check = backend == "auto"
    return _Opening(model, machine, store, threads, check, on_progress).first_that_works(plans)


@dataclass(frozen=True, slots=True, eq=False)
class Successor:
    """A better engine than the one that serves, still to be compiled."""

    backend: str
    open: Callable[[EngineStore], Engine]
    """Compiles it, in seconds to minutes, with the store that it is given."""


def open_serving_engine(
    model: OnnxModel,
    *,
    backend: str = "auto",
    device: str = "auto",
    precision: str = "auto",
    store: EngineStore,
    threads: int | None = None,
    machine: Machine | None = None,
) -> tuple[Engine, Successor | None]:
    """Opens a network for a stream that cannot wait: on the best backend that need not compile for
    long first.

    Args:
        model: the network.
        backend: see `open_engine`; where that one must compile, another serves meanwhile.
        device: see `open_engine`.
        precision: see `open_engine`; of the one that serves meanwhile it may be another.
        store: see `open_engine`.
        threads: see `open_engine`.
        machine: see `open_engine`.

    Returns:
        The engine, and what should take over from it, if anything.

    Raises:
        EngineError: nothing that fits the request works here; says why.
    """
    machine = machine or find_machine()
    plans = plan_engine(model, machine, backend=backend, device=device, precision=precision)
    opening = _Opening(model, machine, store, threads, check=backend == "auto")
    slow = list(itertools.takewhile(opening.must_compile, plans))
    if not slow:
        return opening.first_that_works(plans), None
    # What fits the request, else what fits the device, else anything.
    others = [*plans, *plan_engine(model, machine, device=device), *plan_engine(model, machine)]
    quick = [plan for plan in dict.fromkeys(others) if not opening.must_compile(plan)]
    engine = replace(opening, check=True).first_that_works(quick)

    def open_successor(store: EngineStore) -> Engine:
        return replace(opening, store=store).first_that_works(slow)

    return engine, Successor(slow[0].backend, open_successor)


def open_bare(model: OnnxModel, engine: Engine, threads: int | None = None) -> BareRun | None:
    """The backend of an engine on the CPU, called directly in the engine's precision.

    Args:
        model: the network of the engine.
        engine: what it is compared with.
        threads: threads of one run.

    Returns:
        Runs the network once; None for other backends.
    """
    precision = cast(Precision, engine.precision)
    model = model.in_precision(precision)
    call = next(record.bare for name, record in BACKENDS.items() if name == engine.backend)
    return call and call(model, precision, threads)


def ready_run(engine: Engine, inputs: Mapping[str, Array]) -> Callable[[], object]:
    """One run of an engine on inputs that already lie where it computes; what it returns has been
    computed.

    Args:
        engine: the engine.
        inputs: arrays of the host.
    """
    if engine.device == "cpu":
        return lambda: engine.run(inputs)
    from streamfer.runtime.backends.graph_engine import GraphEngine

    assert isinstance(engine, GraphEngine)  # all engines on a GPU are
    return engine.resident_run(inputs)


@dataclass(frozen=True, slots=True, eq=False)
class _Opening:
    """How a network is opened."""

    model: OnnxModel
    machine: Machine
    store: EngineStore
    threads: int | None
    check: bool
    """Whether answers are held against the reference first."""
    on_progress: Progress | None = None

    def first_that_works(self, plans: Sequence[Plan]) -> Engine:
        """Tries the plans in turn.

        Raises:
            EngineError: none works; says why.
        """
        note_use()
        obstacles = []
        for plan in plans:
            try:
                engine = BACKENDS[plan.backend].open(self._request(plan))
                if not self.check:
                    return engine
                verdict = _verdict(engine, self.model, self.machine, self.store)
                if verdict.passed:
                    return engine
                engine.close()
                obstacles.append(
                    f"{plan.backend} in {plan.precision} failed its self-check"
                    f" ({verdict.output} is off by {verdict.relative_error:.2g})"
                )
            except EngineError as error:
                obstacles.append(str(error))
            if plan is not plans[-1]:
                self.store.notify(f"{self.model.name}: {obstacles[-1]}; trying the next backend")
        raise EngineError(f"{self.model.name}: no backend works: {'; '.join(obstacles)}")

    def _request(self, plan: Plan) -> EngineRequest:
        return EngineRequest(
            self.model.in_precision(plan.precision),
            device=plan.device,
            gpu="" if plan.device == "cpu" else self.machine.gpu_name(plan.device),
            precision=plan.precision,
            store=self.store,
            threads=self.threads,
            on_progress=self.on_progress,
        )

    def must_compile(self, plan: Plan) -> bool:
        """Whether a plan takes long before it works."""
        is_compiled = BACKENDS[plan.backend].is_compiled
        if is_compiled is None:
            return False
        gpu = self.machine.gpu_name(plan.device)
        try:
            return not is_compiled(self.model, gpu, plan.precision, self.store)
        except EngineError:  # it cannot be had, which shows in no time
            return False


def _verdict(engine: Engine, model: OnnxModel, machine: Machine, store: EngineStore) -> Verdict:
    """The stored verdict on an engine, or a fresh one."""
    if engine.backend == "onnxruntime" and engine.precision == model.precision:
        return Verdict(True, "", 0.0)
    key = EngineKey(
        model=model.name,
        model_sha256=engine.sha256,
        backend=f"{engine.backend}-check",
        version=",".join(f"{b} {v}" for b, v in sorted(machine.versions.items())),
        device=engine.device if engine.device == "cpu" else machine.gpu_name(engine.device),
        precision=engine.precision,
        shapes=str(machine.cpu),
        recipe=_CHECK_RECIPE,
    )

    def check() -> bytes:
        reference = OnnxRuntimeEngine(model)
        try:
            return self_check(engine, reference).to_bytes()
        finally:
            reference.close()

    return store.open(key, check, Verdict.from_bytes)
