"""The refiner as a run opens it, with its real child process."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from streamfer.app.config import RunConfig
from streamfer.app.config_fields import Precision
from streamfer.app.networks import refiner as module
from streamfer.app.networks.face_network import LatentFiles
from streamfer.app.networks.refiner import (
    RefinementConfig,
    open_refine_backend,
    open_refiner,
    prepare_refinement,
    refinement_config,
    residual_config,
)
from streamfer.errors import EngineError
from streamfer.models.shipped import SHIPPED
from streamfer.models.storage import load_generator
from streamfer.models.stylegan2 import style_spread
from streamfer.pipeline.refine.mailbox import RefineRequest
from streamfer.runtime.store.store import EngineStore
from tests.support.latent import lay_structures, save_latent_networks
from tests.support.refinement import EAGER_WORKER


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, small_structures: Path) -> RefinementConfig:
    folder = tmp_path_factory.mktemp("weights")
    files = save_latent_networks(folder)
    lay_structures(small_structures, folder)
    return RefinementConfig(
        engines=folder / "engines",
        steps=3,
        generator=files["generator"],
        classifier=files["classifier"],
    )


def face(track: int) -> RefineRequest:
    crop = np.random.default_rng(track).integers(0, 256, (64, 64), dtype=np.uint8)
    code = np.zeros((10, 8), np.float32)
    return RefineRequest("talk", track, 0.5, crop, code, code, 0.5)


def test_faces_go_through_the_child_process(
    config: RefinementConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_WORKER", EAGER_WORKER)
    with open_refiner(config) as refiner:
        for track in (1, 2):
            refiner.request(face(track))
        assert refiner.wait_idle(120)
        results = {r.track_id: r for r in refiner.results()}
        assert refiner.given_up is None
    assert sorted(results) == [1, 2]
    for result in results.values():
        assert result.latent.shape == (10, 8)
        assert result.reconstruction.shape == (64, 64)
        assert 0 < result.reconstruction_error < 1
        assert result.steps == 3


def test_only_a_first_start_exports_before_the_child(
    config: RefinementConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preparations: list[Sequence[str]] = []
    monkeypatch.setattr(
        module, "ProcessBackend", lambda command, preparation: preparations.append(preparation)
    )
    config = dataclasses.replace(config, engines=tmp_path)
    store = EngineStore(tmp_path)
    module.open_refine_backend(config)
    prepare_refinement(config, store, lambda *_: None)
    module.open_refine_backend(config)
    module.open_refine_backend(dataclasses.replace(config, generator=Path("/nowhere")))
    assert [preparation[-1:] for preparation in preparations] == [["--prepare"], (), ()]
    made = {entry.key.model for entry in store.entries() if entry.key}
    assert made == {"refine_target", "refine_step"}


@pytest.mark.parametrize("changes", [{"backend": "torch"}, {"device": "cuda:0"}])
def test_torch_needs_no_engines(
    config: RefinementConfig, tmp_path: Path, changes: dict[str, str]
) -> None:
    store = EngineStore(tmp_path / "engines")
    prepare_refinement(dataclasses.replace(config, **changes), store, lambda *_: None)
    assert store.entries() == []


@pytest.mark.parametrize(
    ("options", "backend"),
    [
        ({"backend": "onnxruntime"}, "onnxruntime"),
        ({"backend": "auto", "face_model": "e4e-ffhq"}, "torch"),
    ],
)
def test_portraits_are_refined_by_torch(options: dict[str, str], backend: str) -> None:
    latent = LatentFiles(Path("generator"), Path("classifier"))
    engines = Path("engines")
    found = refinement_config(RunConfig(refine_steps=7, **options), latent, "cpu", engines)
    assert found is not None
    assert (found.backend, found.steps, found.generator) == (backend, 7, Path("generator"))
    assert found.engines == engines


def test_without_codes_or_wish_nothing_is_refined() -> None:
    latent = LatentFiles(Path("generator"), Path("classifier"))
    assert refinement_config(RunConfig(), None, "cpu", Path("engines")) is None
    assert refinement_config(RunConfig(refine=False), latent, "cpu", Path("engines")) is None


def test_missing_weights_end_refinement_and_nothing_else(config: RefinementConfig) -> None:
    missing = dataclasses.replace(config, generator=Path("/nowhere/g.safetensors"))
    with open_refiner(missing) as refiner:
        for track in (1, 2, 3):
            refiner.request(face(track))
            assert refiner.wait_idle(60)
        assert refiner.given_up is not None
        assert "g.safetensors: cannot read" in refiner.given_up
        assert refiner.results() == []


def test_distances_are_in_units_of_the_generators_styles(config: RefinementConfig) -> None:
    residual = residual_config(config)
    assert residual.spread == pytest.approx(
        style_spread(load_generator(config.generator)).item(), rel=0.05
    )
    missing = dataclasses.replace(config, generator=Path("/nowhere/g.safetensors"))
    with pytest.raises(EngineError, match=r"g\.safetensors: cannot read the generator"):
        residual_config(missing)


@pytest.mark.parametrize("spread", ["0", "-1", "nan", "inf"])
def test_styles_that_do_not_spread_are_refused(tmp_path: Path, spread: str) -> None:
    path = tmp_path / "g.safetensors"
    save_file({"x": np.zeros(1, np.float32)}, path, metadata={"spread": spread})
    with pytest.raises(EngineError, match=r"g\.safetensors: its styles cannot have"):
        residual_config(RefinementConfig(generator=path))


@pytest.mark.parametrize(("every_s", "half_life_s"), [(0.5, 8.0), (8.0, 8.0), (30.0, 30.0)])
def test_what_was_found_lasts_until_the_next_can_be(
    config: RefinementConfig, every_s: float, half_life_s: float
) -> None:
    residual = residual_config(dataclasses.replace(config, every_s=every_s))
    assert residual.half_life_s == half_life_s


@pytest.mark.parametrize(
    ("asked", "given"), [("auto", "auto"), ("bf16", "auto"), ("fp32", "fp32"), ("int8", "fp32")]
)
def test_steps_are_rounded_only_where_other_networks_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: Precision, given: str
) -> None:
    commands: list[Sequence[str]] = []
    monkeypatch.setattr(module, "ProcessBackend", lambda command, _: commands.append(command))
    latent = LatentFiles(SHIPPED.generator, SHIPPED.classifier)
    config = refinement_config(RunConfig(precision=asked), latent, "cpu", tmp_path)
    assert config is not None
    open_refine_backend(config)
    (command,) = commands
    assert command[command.index("--precision") + 1] == given
