from __future__ import annotations

from pathlib import Path

import pytest

from streamfer.errors import EngineError
from streamfer.models.inversion.engines import open_refine_engines
from streamfer.models.vgg import FaceVGG, FaceVGGConfig, save_face_vgg
from streamfer.runtime.hardware import BF16_FEATURES, find_cpu
from streamfer.runtime.store.store import EngineStore
from tests.support.latent import lay_structures, save_latent_networks


def test_they_are_exported_once_and_again_for_other_weights(
    tmp_path: Path, small_structures: Path
) -> None:
    files = save_latent_networks(tmp_path)
    lay_structures(small_structures, tmp_path)
    generator, classifier = files["generator"], files["classifier"]
    store = EngineStore(tmp_path / "engines")
    told: list[float] = []

    def opened() -> int:
        """How many graphs were exported."""
        told.clear()
        engines = open_refine_engines(
            generator, classifier, "auto", store, lambda _, done: told.append(done)
        )
        assert (engines.target.device, engines.step.device) == ("cpu", "cpu")
        assert (engines.target.precision, engines.step.precision) == ("fp32", "fp32")
        engines.close()
        return told.count(1.0)

    assert opened() == 2
    assert opened() == 0
    with_features = BF16_FEATURES & set(find_cpu().features)
    engines = open_refine_engines(generator, classifier, "openvino", store, precision="auto")
    found = engines.target.precision, engines.step.precision
    engines.close()
    assert found == ("fp32", "bf16" if with_features else "fp32")
    save_face_vgg(FaceVGG(FaceVGGConfig(width=0.05, input_size=32)), classifier)
    assert opened() == 2


def test_missing_weights_are_named(tmp_path: Path) -> None:
    files = save_latent_networks(tmp_path)
    missing = tmp_path / "gone.safetensors"
    with pytest.raises(EngineError, match=r"gone\.safetensors: cannot read"):
        open_refine_engines(missing, files["classifier"], "auto", EngineStore(tmp_path))
