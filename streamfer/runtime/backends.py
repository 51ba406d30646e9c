"""Opens a network on the best backend that works here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

from streamfer.engine import Array, Engine
from streamfer.errors import EngineError
from streamfer.runtime.model import BareRun, OnnxModel, Precision, Progress
from streamfer.runtime.onnxruntime import OnnxRuntimeEngine, bare_onnxruntime
from streamfer.runtime.planning import Machine, Plan, find_machine, plan_engine
from streamfer.runtime.self_check import Verdict, self_check
from streamfer.runtime.store import EngineKey, EngineStore

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
    obstacles = []
    for plan in plans:
        try:
            engine = _open(model, plan, machine, store, threads, on_progress)
            if backend != "auto":
                return engine
            verdict = _verdict(engine, model, machine, store)
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
            store.notify(f"{model.name}: {obstacles[-1]}; trying the next backend")
    raise EngineError(f"{model.name}: no backend works: {'; '.join(obstacles)}")


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
    if engine.backend == "onnxruntime":
        return bare_onnxruntime(model, threads)
    if engine.backend == "openvino":
        from streamfer.runtime.openvino import bare_openvino

        return bare_openvino(model, precision, threads)
    return None


def ready_run(engine: Engine, inputs: Mapping[str, Array]) -> Callable[[], object]:
    """One run of an engine on inputs that already lie where it computes; what it returns has been
    computed.

    Args:
        engine: the engine.
        inputs: arrays of the host.
    """
    if engine.device == "cpu":
        return lambda: engine.run(inputs)
    from streamfer.runtime.graph_engine import GraphEngine

    assert isinstance(engine, GraphEngine)  # all engines on a GPU are
    return engine.resident_run(inputs)


def _open(
    model: OnnxModel,
    plan: Plan,
    machine: Machine,
    store: EngineStore,
    threads: int | None,
    on_progress: Progress | None,
) -> Engine:
    model = model.in_precision(plan.precision)
    match plan.backend:
        case "openvino":
            from streamfer.runtime.openvino import OpenVinoEngine

            return OpenVinoEngine(model, precision=plan.precision, threads=threads, store=store)
        case "onnxruntime":
            return OnnxRuntimeEngine(model, threads=threads)
        case "torch":
            from streamfer.runtime.torch import TorchCudaEngine, TorchEngine

            if plan.device == "cpu":
                return TorchEngine(model)
            return TorchCudaEngine(model, device=plan.device, precision=plan.precision)
        case "tensorrt":
            from streamfer.runtime.tensorrt import TensorRtEngine

            return TensorRtEngine(
                model,
                device=plan.device,
                gpu=machine.gpu_name(plan.device),
                precision=plan.precision,
                store=store,
                on_progress=on_progress,
            )


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
