"""Opens the engines of refinement on a CPU."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from streamfer.engine import Engine
from streamfer.models.shipped import digest
from streamfer.models.structures import FILES_OF, STEP, TARGET, network_bytes, structures_digest
from streamfer.runtime.model import OnnxModel, Progress
from streamfer.runtime.open_engine import open_engine
from streamfer.runtime.store.engine_key import EngineKey, onnx_key
from streamfer.runtime.store.store import EngineStore

_RECIPE = 2
"""Counts changes of the code that makes the graphs, and of the losses."""


@dataclass(frozen=True, slots=True)
class RefineEngines:
    """What `EngineRefiner` runs."""

    target: Engine
    step: Engine

    def close(self) -> None:
        """Frees both."""
        self.target.close()
        self.step.close()


def open_refine_engines(
    generator: Path,
    classifier: Path,
    backend: str,
    store: EngineStore,
    on_progress: Progress = lambda *_: None,
    threads: int | None = 1,
    precision: str = "fp32",
) -> RefineEngines:
    """The engines of refinement, from the store or made now.

    Args:
        generator: file of a generator of gray pictures.
        classifier: file of the face network that becomes the lens.
        backend: `auto`, `openvino` or `onnxruntime`.
        store: exported graphs and compiled engines.
        on_progress: told of what is done once; for weights of another shape than the shipped ones
            that takes a minute.
        threads: of one step; None leaves them to the backend.
        precision: of a step: `fp32`, or `auto` for bf16 where the CPU multiplies it, which takes
            two thirds more steps in the same time, and of as many steps makes 1 % more error.

    Raises:
        EngineError: a file is missing, damaged or of another kind, or no backend works.
    """
    files = {"generator": generator, "classifier": classifier}

    def opened(name: str, export: Callable[[Path, Path], bytes]) -> Engine:
        def make() -> bytes:
            on_progress("preparing the refinement (once)", 0.0)
            own = {key: files[key] for key in FILES_OF[name]}
            data = network_bytes(name, own, lambda: export(generator, classifier))
            on_progress("preparing the refinement (once)", 1.0)
            return data

        return open_engine(
            OnnxModel(name, store.file(_key(name, files), make)),
            backend=backend,
            device="cpu",
            precision=precision if name == STEP else "fp32",
            store=store,
            threads=threads,
        )

    target = opened(TARGET, _export_target)
    try:
        return RefineEngines(target, opened(STEP, _export_step))
    except BaseException:
        target.close()
        raise


def are_exported(generator: Path, classifier: Path, store: EngineStore) -> bool:
    """Whether the store holds the graphs, so that opening the engines needs little time and memory.

    Raises:
        EngineError: a file is missing or damaged.
    """
    files = {"generator": generator, "classifier": classifier}
    return all((store.root / _key(name, files).folder).is_dir() for name in (TARGET, STEP))


def _key(name: str, files: Mapping[str, Path]) -> EngineKey:
    sources = digest(files.values()) + structures_digest(name, files)
    return onnx_key(name, hashlib.sha256(sources.encode()).hexdigest(), _RECIPE)


# What follows loads torch.


def _export_target(generator: Path, classifier: Path) -> bytes:
    from streamfer.models.inversion.graphs import export_target
    from streamfer.models.inversion.lens import Lens
    from streamfer.models.storage import load_generator
    from streamfer.models.vgg import load_face_vgg

    size = load_generator(generator).config.resolution
    return export_target(Lens(load_face_vgg(classifier)), size)


def _export_step(generator: Path, classifier: Path) -> bytes:
    from streamfer.models.inversion.descent import LossWeights
    from streamfer.models.inversion.graphs import export_step
    from streamfer.models.inversion.lens import Lens
    from streamfer.models.storage import load_generator
    from streamfer.models.vgg import load_face_vgg

    lens = Lens(load_face_vgg(classifier))
    return export_step(load_generator(generator), lens, LossWeights())
