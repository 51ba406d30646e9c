"""The outside judge's networks, with random weights in the package's own format."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from streamfer.errors import ConfigError
from streamfer.evaluation.outside_judge import OutsideJudge, load_weights

RANDOM = np.random.default_rng(0)


def write(folder: Path, name: str, shapes: dict[str, tuple[int, ...]]) -> None:
    """Weights as uint8 with scales, biases as float32."""
    data, weights = b"", []
    for weight, shape in shapes.items():
        entry = {"name": weight, "shape": list(shape), "dtype": "float32"}
        if len(shape) > 1:
            entry["quantization"] = {"dtype": "uint8", "scale": 0.001, "min": -0.1}
            data += RANDOM.integers(0, 256, shape, dtype=np.uint8).tobytes()
        else:
            data += RANDOM.standard_normal(shape).astype(np.float32).tobytes()
        weights.append(entry)
    (folder / f"{name}.bin").write_bytes(data)
    manifest = [{"paths": [f"{name}.bin"], "weights": weights}]
    (folder / f"{name}-weights_manifest.json").write_text(json.dumps(manifest))


def expression_shapes() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    before = 3
    for block in range(4):
        for conv in range(4):
            name, width = f"dense{block}/conv{conv}", 4
            if block == conv == 0:
                shapes[f"{name}/filters"] = (3, 3, before, width)
            else:
                shapes[f"{name}/depthwise_filter"] = (3, 3, before, 1)
                shapes[f"{name}/pointwise_filter"] = (1, 1, before, width)
            shapes[f"{name}/bias"] = (width,)
            before = width
    return {**shapes, "fc/weights": (before, 7), "fc/bias": (7,)}


def identity_shapes() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}

    def layer(name: str, side: int, before: int, width: int) -> None:
        shapes[f"{name}/conv/filters"] = (side, side, before, width)
        for part in ("conv/bias", "scale/weights", "scale/biases"):
            shapes[f"{name}/{part}"] = (width,)

    layer("conv32_down", 7, 3, 4)
    for name, before, width in (("conv32_1", 4, 4), ("conv64_down", 4, 8), ("conv64_1", 8, 8)):
        layer(f"{name}/conv1", 3, before, width)
        layer(f"{name}/conv2", 3, width, width)
    return {**shapes, "fc": (8, 16)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, "face_expression_model", expression_shapes())
    write(tmp_path, "face_recognition_model", identity_shapes())
    return tmp_path


def test_gray_and_colour_faces_of_any_size_are_read_and_embedded(folder: Path) -> None:
    judge = OutsideJudge(folder)
    gray = RANDOM.integers(0, 256, (3, 64, 64), dtype=np.uint8)
    probs = judge.read(gray)
    assert probs.shape == (3, 7)
    np.testing.assert_allclose(probs.sum(axis=1), 1, rtol=1e-4)
    assert judge.embed(gray).shape == (3, 16)
    colour = np.repeat(gray[..., None], 3, axis=3)
    np.testing.assert_allclose(judge.read(colour), probs, rtol=1e-4)


def test_small_numbers_are_scaled_back(folder: Path) -> None:
    weights = load_weights(folder, "face_expression_model")
    filters = weights["dense0/conv0/filters"]
    assert filters.shape == (3, 3, 3, 4)
    assert -0.1001 <= float(filters.min()) <= float(filters.max()) <= 0.1551


@pytest.mark.parametrize("damage", ["missing", "cut", "no json"])
def test_damaged_weights_are_refused_in_one_line(folder: Path, damage: str) -> None:
    name = "face_recognition_model"
    if damage == "missing":
        (folder / f"{name}.bin").unlink()
    elif damage == "cut":
        (folder / f"{name}.bin").write_bytes(b"12")
    else:
        (folder / f"{name}-weights_manifest.json").write_text("{")
    with pytest.raises(ConfigError, match=f"--judge .*cannot read {name}"):
        OutsideJudge(folder)
