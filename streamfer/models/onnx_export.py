"""From a torch module to ONNX, the form that every serving backend reads."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import onnx
import torch
from torch import Tensor, nn
from tqdm import tqdm

OPSET = 18
"""ONNX operator set: new enough for torch's exporter, old enough for every backend here."""


def export_onnx(
    module: nn.Module,
    example_inputs: Sequence[Tensor],
    *,
    input_names: Sequence[str],
    output_names: Sequence[str],
    side_multiple: int | None = None,
    fixed_inputs: int = 0,
) -> bytes:
    """Exports a module with a free batch size.

    Args:
        module: what to export; it is exported in evaluation mode.
        example_inputs: one tensor per input, axis 0 the batch (at least 2, because the exporter
            takes a size of 1 for a constant).
        input_names: the inputs' names in the ONNX graph.
        output_names: the outputs' names.
        side_multiple: frees axes 1 and 2 as well, for pictures [NHWC] whose sides are multiples
            of it; the example's must be unequal, and more than one such multiple.
        fixed_inputs: so many of the last inputs have the examples' shapes, batch and all; the
            module then takes all of them as one `*inputs`.

    Returns:
        The serialised, checked ONNX model; its weights are inside.
    """
    free: dict[int, Any] = {0: torch.export.Dim("batch", min=1, max=4096)}
    if side_multiple is not None:
        free[1] = side_multiple * torch.export.Dim("rows", min=1, max=256)
        free[2] = side_multiple * torch.export.Dim("columns", min=1, max=256)
    count = len(example_inputs) - fixed_inputs
    free_axes: tuple[Any, ...] = (*[free] * count, *[{}] * fixed_inputs)
    if fixed_inputs:
        free_axes = (free_axes,)
    return _export(module, example_inputs, input_names, output_names, free_axes)


def export_fixed(
    module: nn.Module,
    example_inputs: Sequence[Tensor],
    *,
    input_names: Sequence[str],
    output_names: Sequence[str],
) -> bytes:
    """As `export_onnx`, for inputs of the examples' shapes alone."""
    return _export(module, example_inputs, input_names, output_names, None)


def _export(
    module: nn.Module,
    example_inputs: Sequence[Tensor],
    input_names: Sequence[str],
    output_names: Sequence[str],
    free_axes: tuple[Any, ...] | None,
) -> bytes:
    with _quiet_exporter():
        program = torch.onnx.export(
            module.eval(),
            tuple(example_inputs),
            input_names=list(input_names),
            output_names=list(output_names),
            opset_version=OPSET,
            dynamic_shapes=free_axes,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    _drop_notes(model)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _drop_notes(model: onnx.ModelProto) -> None:
    """Drops what the exporter says of itself, among it the lines and paths of the source: the same
    network is the same file, with the same hash, wherever it was exported."""
    graph = model.graph
    del model.metadata_props[:], graph.metadata_props[:]
    for part in (*graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""


@contextlib.contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Silences the exporter's notes about itself, and keeps its progress bars, which nobody sees,
    from starting a thread that never ends."""
    logger = logging.getLogger("torch.onnx")
    level, interval = logger.level, tqdm.monitor_interval
    logger.setLevel(logging.ERROR)
    tqdm.monitor_interval = 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
        tqdm.monitor_interval = interval
