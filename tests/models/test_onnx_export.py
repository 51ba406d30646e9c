"""Exported modules answer as they did, for any batch size."""

from __future__ import annotations

import threading
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn
from tqdm import tqdm

from streamfer.models.onnx_export import export_onnx


class TwoOutputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 3, padding=1)
        self.norm = nn.BatchNorm2d(3)

    def forward(self, faces: Tensor) -> tuple[Tensor, Tensor]:
        x = self.norm(self.conv(faces[:, None].float() / 255))
        return x.mean(dim=(2, 3)), x.flatten(1)


def test_any_batch_size_named_tensors_no_thread_and_no_warning() -> None:
    torch.manual_seed(0)
    module, interval = TwoOutputs(), tqdm.monitor_interval
    module(torch.zeros(4, 8, 8, dtype=torch.uint8))  # moves the running statistics
    faces = torch.randint(0, 256, (5, 8, 8), dtype=torch.uint8)
    threads = threading.active_count()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = export_onnx(
            module, [faces[:2]], input_names=["faces"], output_names=["mean", "all"]
        )
    assert threading.active_count() == threads
    assert tqdm.monitor_interval == interval
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    for batch in (1, 5):
        answers = session.run(["mean", "all"], {"faces": faces[:batch].numpy()})
        for answer, expected in zip(answers, module(faces[:batch]), strict=True):
            np.testing.assert_allclose(answer, expected.detach(), rtol=1e-4, atol=1e-5)


def test_the_file_does_not_depend_on_where_the_source_lies() -> None:
    faces = torch.zeros(2, 8, 8, dtype=torch.uint8)
    model = export_onnx(TwoOutputs(), [faces], input_names=["faces"], output_names=["mean", "all"])
    for path in (Path(__file__).parent, Path(torch.__file__).parent):
        assert str(path).encode() not in model
    assert b"stack_trace" not in model
