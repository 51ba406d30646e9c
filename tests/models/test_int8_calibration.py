from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from streamfer.errors import EngineError, OutputError
from streamfer.models.int8_calibration import (
    HeadAccuracy,
    Int8Calibration,
    read_calibration,
    write_calibration,
)
from streamfer.models.shipped import SHIPPED, WeightFiles, digest
from streamfer.runtime.planning import MAX_ACCURACY_COST


@pytest.fixture
def weights(tmp_path: Path) -> WeightFiles:
    files = WeightFiles(tmp_path)
    files.classifier.write_bytes(b"weights")
    return files


def calibration(weights: WeightFiles) -> Int8Calibration:
    return Int8Calibration(
        digest(weights.face_network),
        {"trunk.2": 3.5},
        {"ferplus": HeadAccuracy(10, 0.8, 0.79), "fer2013": HeadAccuracy(12, 0.7, 0.72)},
        {"accuracy": "ten faces"},
    )


def test_it_survives_the_file(weights: WeightFiles) -> None:
    write_calibration(calibration(weights), weights.int8)
    assert read_calibration(weights) == calibration(weights)


def test_the_cost_is_that_of_the_worse_head(weights: WeightFiles) -> None:
    made = calibration(weights)
    assert made.accuracy_cost == pytest.approx(0.01)
    better = replace(made, accuracy={"fer2013": HeadAccuracy(12, 0.7, 0.72)})
    assert better.accuracy_cost == 0


def test_none_without_a_file(weights: WeightFiles) -> None:
    assert read_calibration(weights) is None


@pytest.mark.parametrize("changed", ["classifier", "encoder"])
def test_none_for_other_weights(weights: WeightFiles, changed: str) -> None:
    latent = (weights.generator, weights.encoder, weights.fused_heads)
    for path in latent:
        path.write_bytes(b"latent")
    write_calibration(calibration(weights), weights.int8)
    assert read_calibration(weights) is not None
    getattr(weights, changed).write_bytes(b"others")
    assert read_calibration(weights) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda stored: stored.pop("limits"),
        lambda stored: stored.update(schema="streamfer.int8/9"),
        lambda stored: stored.update(limits={"trunk.2": "wide"}),
        lambda stored: stored.update(accuracy=[1]),
        lambda stored: stored.update(more=1),
    ],
)
def test_damaged_files_are_engine_errors(
    weights: WeightFiles, damage: Callable[[dict[str, Any]], object]
) -> None:
    write_calibration(calibration(weights), weights.int8)
    stored = json.loads(weights.int8.read_text())
    damage(stored)
    weights.int8.write_text(json.dumps(stored))
    with pytest.raises(EngineError, match=r"int8\.json: not an int8 calibration"):
        read_calibration(weights)


def test_what_cannot_be_written_is_an_output_error(weights: WeightFiles, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        write_calibration(calibration(weights), tmp_path / "absent" / "file.json")


def test_the_shipped_one_fits_the_shipped_weights() -> None:
    shipped = read_calibration(SHIPPED)
    assert shipped is not None, "run: python -m streamfer.training.int8 --data fer/"
    assert shipped.accuracy_cost <= MAX_ACCURACY_COST
    assert {name: head.faces for name, head in shipped.accuracy.items()} == {
        "ferplus": 3372,
        "fer2013": 3579,
    }
