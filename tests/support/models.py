"""Small ONNX networks made on the spot."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from streamfer.runtime.model import OnnxModel


def small_network(name: str = "small", seed: int = 0, torch_form: bool = False) -> OnnxModel:
    """`images` (N, 8, 8, 3) uint8 through a convolution to `probs` (N, 7) and `mean` (N, 4)."""
    rng = np.random.default_rng(seed)
    weight = rng.normal(0, 0.02, (4, 3, 3, 3)).astype(np.float32)
    dense = rng.normal(0, 0.5, (4, 7)).astype(np.float32)
    nodes = [
        helper.make_node("Cast", ["images"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["nchw"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["nchw", "weight"], ["conv"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["conv"], ["relu"]),
        helper.make_node("GlobalAveragePool", ["relu"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["mean"]),
        helper.make_node("MatMul", ["mean", "dense"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probs"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", 8, 8, 3])],
        [
            helper.make_tensor_value_info("probs", TensorProto.FLOAT, ["batch", 7]),
            helper.make_tensor_value_info("mean", TensorProto.FLOAT, ["batch", 4]),
        ],
        [numpy_helper.from_array(weight, "weight"), numpy_helper.from_array(dense, "dense")],
    )
    file = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    module = (lambda: _torch_form(weight, dense)) if torch_form else None
    return OnnxModel.from_bytes(name, file.SerializeToString(), torch_module=module)


def _torch_form(weight: np.ndarray, dense: np.ndarray) -> object:
    import torch
    from torch import nn

    class Small(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3, padding=1, bias=False)
            self.dense = nn.Linear(4, 7, bias=False)
            with torch.no_grad():
                self.conv.weight.copy_(torch.from_numpy(weight))
                self.dense.weight.copy_(torch.from_numpy(dense.T))

        def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            x = images.permute(0, 3, 1, 2).to(self.conv.weight.dtype)
            mean = self.conv(x).relu().mean(dim=(2, 3))
            return self.dense(mean).softmax(dim=1), mean

    return Small()
