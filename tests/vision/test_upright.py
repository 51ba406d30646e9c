from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from streamfer.errors import EngineError
from streamfer.models.shipped import SHIPPED, file_digest
from streamfer.vision.upright import UprightModel, load_upright, save_upright

MODEL = UprightModel(np.array([1, -2, 0.5, 0], np.float32), -0.25)


def test_a_code_on_the_right_side_is_upright() -> None:
    assert MODEL.is_upright(np.array([[1, 0], [0, 9]], np.float32))
    assert not MODEL.is_upright(np.array([[0, 1], [0, 9]], np.float32))


def test_what_is_saved_is_read(tmp_path: Path) -> None:
    path = tmp_path / "upright.json"
    save_upright(MODEL, "ab", path, {"figures": {}})
    read = load_upright(path)
    np.testing.assert_array_equal(read.weights, MODEL.weights)
    assert read.bias == MODEL.bias


@pytest.mark.parametrize(
    "content",
    [
        None,
        "{",
        "[]",
        '{"schema": "streamfer.upright/2", "weights": [1], "bias": 0}',
        '{"schema": "streamfer.upright/1", "weights": "x", "bias": 0}',
        '{"schema": "streamfer.upright/1", "weights": [[1]], "bias": 0}',
        '{"schema": "streamfer.upright/1", "weights": [NaN], "bias": 0}',
        '{"schema": "streamfer.upright/1", "weights": [1]}',
    ],
)
def test_a_damaged_file_is_named(content: str | None, tmp_path: Path) -> None:
    path = tmp_path / "upright.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(EngineError, match=r"upright\.json"):
        load_upright(path)


def test_the_shipped_file_belongs_to_the_shipped_encoder() -> None:
    document = json.loads(SHIPPED.upright.read_text())
    assert document["encoder_sha256"] == file_digest(SHIPPED.encoder)
    figures = document["notes"]["figures"]
    assert figures["turned_told"] > 0.7 * figures["turned"]
