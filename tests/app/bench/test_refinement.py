from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from streamfer.app.bench import refinement as module
from streamfer.app.bench.refinement import RefinementTime, bench_refinement
from streamfer.app.config import RunConfig
from streamfer.app.networks.refiner import RefinementConfig
from streamfer.engine import TensorSpec
from streamfer.models.shipped import WeightFiles
from streamfer.runtime.store.store import EngineStore
from tests.support.engines import FakeEngine
from tests.support.refinement import FakeBackend


def test_what_a_hundred_steps_take() -> None:
    time = RefinementTime("cpu", steps=40, seconds=0.3)
    assert time.per_100_steps_s == pytest.approx(0.75)
    assert time.as_json() == {
        "device": "cpu",
        "steps": 40,
        "seconds": 0.3,
        "per_100_steps_s": 0.75,
    }


def test_the_portrait_s_face_is_refined_from_its_own_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = TensorSpec("faces", np.dtype(np.uint8), (None, 64, 64))
    engine = FakeEngine(lambda inputs: {"latent": np.ones((1, 10, 8), np.float32)}, (faces,))
    backend = FakeBackend()
    asked: list[RefinementConfig] = []

    def opened(settings: RefinementConfig) -> FakeBackend:
        asked.append(settings)
        return backend

    weights = WeightFiles(tmp_path)
    for path in (weights.generator, weights.encoder, weights.fused_heads):
        path.write_bytes(b"there")
    monkeypatch.setattr(module, "SHIPPED", weights)
    monkeypatch.setattr(module, "face_model", lambda *_: None)
    monkeypatch.setattr(module, "open_engine", lambda model, **_: engine)
    monkeypatch.setattr(module, "open_refine_backend", opened)
    console = Console(file=io.StringIO(), width=120)
    time = bench_refinement(RunConfig(refine_steps=70), EngineStore(tmp_path), console)
    assert time == RefinementTime("cpu", steps=7, seconds=0.5)
    assert [(one.device, one.steps, one.generator) for one in asked] == [
        ("cpu", 70, weights.generator)
    ]
    assert backend.batches == [1] * 6  # the first does not count
    assert (engine.closed, backend.closed) == (1, 1)
    (call,) = engine.calls
    assert call["faces"].shape == (1, 64, 64)
    assert isinstance(console.file, io.StringIO)
    assert "refinement of one face on cpu: 7 steps in 0.50 s, 7.14 s for 100" in (
        console.file.getvalue()
    )


@pytest.mark.parametrize("refine", [True, False])
def test_without_networks_or_wish_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refine: bool
) -> None:
    monkeypatch.setattr(module, "SHIPPED", WeightFiles(tmp_path))
    config = RunConfig(refine=refine)
    assert bench_refinement(config, EngineStore(tmp_path), Console(quiet=True)) is None
