"""The real child process: refines, reports what it cannot load, and ends with its parent."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from streamfer.errors import EngineError
from streamfer.models.storage import load_generator, save_generator
from streamfer.models.stylegan2 import Generator, GeneratorConfig, to_uint8
from streamfer.models.vgg import FaceVGG, FaceVGGConfig, save_face_vgg
from streamfer.pipeline.refine.process import ProcessBackend
from streamfer.runtime.array_pipe import read_arrays, write_arrays
from streamfer.runtime.store.store import EngineStore
from tests.support.latent import lay_structures, save_latent_networks
from tests.support.refinement import EAGER_WORKER

WORKER = "streamfer.models.inversion.worker"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, small_structures: Path) -> dict[str, Path]:
    folder: Path = tmp_path_factory.mktemp("weights")
    lay_structures(small_structures, folder)
    return save_latent_networks(folder)


@pytest.fixture(scope="module")
def generator(files: dict[str, Path]) -> Generator:
    return load_generator(files["generator"])


@pytest.fixture(scope="module")
def command(files: dict[str, Path]) -> list[str]:
    return refining(files, files["generator"].parent / "engines")


def refining(files: dict[str, Path], engines: Path, worker: str = WORKER) -> list[str]:
    """The command of a child."""
    networks = [f"--{name}={files[name]}" for name in ("generator", "classifier")]
    options = ["--backend=auto", "--precision=auto", "--steps=20", "--budget-ms=60000"]
    return [sys.executable, "-m", worker, *networks, f"--engines={engines}", *options]


@pytest.mark.parametrize("backend", ["auto", "onnxruntime", "torch"])
def test_it_refines(files: dict[str, Path], generator: Generator, backend: str) -> None:
    engines = files["generator"].parent / "engines"
    command = [*refining(files, engines, EAGER_WORKER), f"--backend={backend}"]
    torch.manual_seed(0)
    ws = generator.styles(torch.randn(2, 8))
    crops = to_uint8(generator.synthesis(ws)[:, 0]).numpy()
    start = (ws + 0.3 * ws.std() * torch.randn(ws.shape)).detach().numpy()
    backend = ProcessBackend(command)
    try:
        found = backend.refine(crops, start)
    finally:
        backend.close()
    assert found.latents.shape == start.shape
    assert found.reconstructions.shape == crops.shape
    assert found.errors.shape == (2,)
    assert 0 < found.steps <= 20
    drawn = generator.synthesis(torch.from_numpy(start))[:, 0].detach().numpy()
    before = ((drawn / 2 + 0.5 - crops / 255.0) ** 2).mean(axis=(1, 2))
    assert (found.errors < before).all()


def test_preparing_networks_of_any_shape_leaves_the_engines_and_ends(tmp_path: Path) -> None:
    files = {name: tmp_path / f"{name}.safetensors" for name in ("generator", "classifier")}
    shape = GeneratorConfig(channels=(8, 8, 8), z_dim=8, w_dim=8, mapping_layers=2)
    save_generator(Generator(shape), files["generator"], {})
    save_face_vgg(FaceVGG(FaceVGGConfig(width=0.05, input_size=16)), files["classifier"])
    command = [*refining(files, tmp_path), "--prepare"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.wait(240) == 0
    made = {entry.key.model for entry in EngineStore(tmp_path).entries() if entry.key}
    assert made == {"refine_target", "refine_step"}


@pytest.mark.parametrize("backend_name", ["auto", "torch"])
def test_missing_weights_are_named(backend_name: str) -> None:
    worker = [sys.executable, "-m", "streamfer.models.inversion.worker"]
    files = ["--generator=/nowhere/g.safetensors", "--classifier=/nowhere/c.safetensors"]
    engines = ["--engines=/nowhere/engines", f"--backend={backend_name}"]
    limits = ["--steps=1", "--budget-ms=1", "--precision=fp32"]
    backend = ProcessBackend([*worker, *files, *engines, *limits])
    crops, latents = np.zeros((1, 16, 16), np.uint8), np.zeros((1, 6, 8), np.float32)
    try:
        with pytest.raises(EngineError, match=r"g\.safetensors: cannot read"):
            backend.refine(crops, latents)
    finally:
        backend.close()


def test_it_ends_with_its_input(command: list[str]) -> None:
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.close()
    assert child.wait(30) == 0
    child.stdout.close()


def test_it_works_in_idle_time(command: list[str]) -> None:
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        crops, latents = np.zeros((1, 64, 64), np.uint8), np.zeros((1, 10, 8), np.float32)
        write_arrays(child.stdin, {"crops": crops, "latents": latents})
        assert read_arrays(child.stdout) is not None
        assert psutil.Process(child.pid).nice() == 19
        if hasattr(os, "SCHED_IDLE"):
            assert os.sched_getscheduler(child.pid) == os.SCHED_IDLE


def test_it_does_not_outlive_its_parent(command: list[str]) -> None:
    script = (
        "import sys\n"
        "from streamfer.pipeline.refine.process import ProcessBackend\n"
        f"ProcessBackend({command!r}).start()\n"
        "print('started', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"started\n"
        (child,) = psutil.Process(parent.pid).children()
        parent.kill()
    _, alive = psutil.wait_procs([child], timeout=30)
    assert not alive
