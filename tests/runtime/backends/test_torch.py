from __future__ import annotations

import numpy as np
import pytest
import torch

from streamfer.errors import EngineError
from streamfer.runtime.backends.torch import TorchCudaEngine, TorchEngine
from streamfer.runtime.model import OnnxModel
from tests.support.models import small_network
from tests.support.queues import HostQueue

MODEL = small_network(torch_form=True)
IMAGES = {"images": np.full((3, 8, 8, 3), 90, dtype=np.uint8)}


def test_a_model_without_torch_form_is_refused() -> None:
    onnx_only = OnnxModel.from_bytes("small", MODEL.data)
    with pytest.raises(EngineError, match="small: it exists as an ONNX file only"):
        TorchEngine(onnx_only)


def test_half_precision_rounds_and_answers_in_float32() -> None:
    full = TorchCudaEngine(MODEL, precision="fp32", queue=HostQueue())
    half = TorchCudaEngine(MODEL, precision="bf16", queue=HostQueue())
    exact, rounded = full.run(IMAGES)["mean"], half.run(IMAGES)["mean"]
    assert rounded.dtype == np.float32
    assert (exact != rounded).any()
    np.testing.assert_allclose(exact, rounded, rtol=0.02)
    full.close()
    half.close()


def test_the_cpu_offers_float32_only() -> None:
    quantised = OnnxModel.from_bytes("small", MODEL.data, "int8", MODEL.torch_module)
    with pytest.raises(EngineError, match="its file is int8, not fp32"):
        TorchEngine(quantised)


def test_a_module_that_cannot_be_made_is_named() -> None:
    def broken() -> object:
        raise RuntimeError("size mismatch")

    model = OnnxModel.from_bytes("small", MODEL.data, torch_module=broken)
    with pytest.raises(EngineError, match="small: torch cannot load it on cpu: size mismatch"):
        TorchEngine(model)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_named() -> None:
    with pytest.raises(EngineError, match="cuda:0 cannot be used"):
        TorchCudaEngine(MODEL, device="cuda:0")
