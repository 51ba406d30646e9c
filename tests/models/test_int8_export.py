"""Quantised networks answer nearly as the exact ones do, on both backends that serve them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto

from streamfer.errors import EngineError
from streamfer.models.export import export_face_network, served_face_network
from streamfer.models.int8_export import quantise_convolutions, quantise_rows
from streamfer.models.shipped import WeightFiles
from streamfer.runtime.backends.onnxruntime import OnnxRuntimeEngine
from streamfer.runtime.backends.openvino import OpenVinoEngine
from streamfer.runtime.hardware import BF16_FEATURES, find_cpu
from streamfer.runtime.model import OnnxModel
from streamfer.runtime.self_check import relative_error
from streamfer.training.int8 import activation_limits
from tests.support.latent import save_all_networks


@dataclass(frozen=True, slots=True)
class Exported:
    weights: WeightFiles
    data: bytes

    def limits(self) -> dict[str, float]:
        return activation_limits(served_face_network(self.weights), faces(32), 1e-4)


@pytest.fixture(scope="module", params=["plain", "fused"])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    files = save_all_networks(tmp_path_factory.mktemp(request.param))
    if request.param == "plain":
        files.fused_heads.unlink()
    return Exported(files, export_face_network(files))


def faces(count: int) -> np.ndarray:
    rng = np.random.default_rng(count)
    coarse = rng.integers(0, 256, (count, 8, 8))
    return coarse.repeat(8, axis=1).repeat(8, axis=2).astype(np.uint8)


@pytest.mark.parametrize("backend", [OnnxRuntimeEngine, OpenVinoEngine])
def test_answers_and_codes_stay_near(exported: Exported, backend: type) -> None:
    # What is not quantised OpenVINO computes in bf16 where the CPU has it.
    in_bf16 = backend is OpenVinoEngine and bool(BF16_FEATURES & set(find_cpu().features))
    near = 0.1 if in_bf16 else 0.05
    data = exported.data
    model = OnnxModel.from_bytes("face", quantise_convolutions(data, exported.limits()), "int8")
    options = {"precision": "int8"} if backend is OpenVinoEngine else {}
    engine = backend(model, threads=1, **options)
    exact = OnnxRuntimeEngine(OnnxModel.from_bytes("face", data), threads=1)
    assert engine.inputs == exact.inputs
    for count in (1, 3):
        ours, theirs = (e.run({"faces": faces(count)}) for e in (engine, exact))
        assert ours.keys() == theirs.keys()
        for name in theirs:
            assert relative_error(ours[name], theirs[name]) < near, name
    engine.close()
    exact.close()


def test_only_the_layers_asked_for_are_quantised(exported: Exported) -> None:
    quantised = quantise_convolutions(exported.data, {"trunk.2": 3.0, "trunk.5": 2.0})
    file = onnx.load_model_from_string(quantised)
    integers = {t.name for t in file.graph.initializer if t.data_type == TensorProto.INT8}
    names = [name for name in integers if name.endswith(".integers")]
    assert sorted(name.split(".trunk.")[1] for name in names) == [
        "2.weight.integers",
        "5.weight.integers",
    ]
    used = {name for node in file.graph.node for name in node.input}
    assert all(tensor.name in used for tensor in file.graph.initializer)


def test_a_layer_that_is_not_there_is_named(exported: Exported) -> None:
    with pytest.raises(EngineError, match=r"no convolution trunk\.99"):
        quantise_convolutions(exported.data, {"trunk.2": 1.0, "trunk.99": 1.0})


def test_rows_have_scales_of_their_own() -> None:
    values = torch.tensor([[1.0, -2.0], [0.001, 0.0], [0.0, 0.0]]).numpy()
    integers, scales = quantise_rows(values)
    assert integers.dtype == np.int8
    np.testing.assert_array_equal(integers, [[64, -127], [127, 0], [0, 0]])
    np.testing.assert_allclose(integers * scales[:, None], values, atol=2 / 127 / 2)


def test_the_quantised_file_is_smaller(exported: Exported) -> None:
    file = onnx.load_model_from_string(exported.data)
    trunk = [t for t in file.graph.initializer if ".trunk." in t.name and len(t.dims) == 4]
    weights = sum(int(np.prod(tensor.dims)) for tensor in trunk)
    saved = len(exported.data) - len(quantise_convolutions(exported.data, exported.limits()))
    assert saved > 2 * weights  # of the four bytes of each
