from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from streamfer.engine import Array, TensorSpec
from streamfer.runtime.self_check import Verdict, relative_error, sample_inputs, self_check
from tests.support.engines import FakeEngine


def engine(factor: float, precision: str = "fp32") -> FakeEngine:
    def answer(inputs: Mapping[str, Array]) -> dict[str, Array]:
        images = inputs["images"].astype(np.float32)
        return {"same": images, "scaled": images * factor}

    made = FakeEngine(answer)
    made.precision = precision
    return made


@pytest.mark.parametrize(
    ("factor", "precision", "passed"),
    [
        (1.0, "fp32", True),
        (1.01, "fp32", False),
        (1.01, "fp16", True),
        (1.05, "fp16", False),
        (1.05, "bf16", True),
        (0.0, "bf16", False),
        (float("nan"), "int8", False),
    ],
)
def test_the_worst_output_decides(factor: float, precision: str, passed: bool) -> None:
    verdict = self_check(engine(factor, precision), engine(1.0))
    assert verdict.passed is passed
    if factor != 1.0:
        assert verdict.output == "scaled"


def test_verdicts_survive_the_store() -> None:
    verdict = Verdict(False, "probs", float("inf"))
    assert Verdict.from_bytes(verdict.to_bytes()) == verdict


@pytest.mark.parametrize(
    ("actual", "expected", "error"),
    [
        ([3.0, 4.0], [3.0, 4.0], 0.0),
        ([0.0, 0.0], [3.0, 4.0], 1.0),
        ([3.0], [3.0, 4.0], float("inf")),
        ([float("nan"), 4.0], [3.0, 4.0], float("inf")),
        ([0.0], [0.0], 0.0),
    ],
)
def test_relative_error(actual: list[float], expected: list[float], error: float) -> None:
    assert relative_error(np.array(actual), np.array(expected)) == pytest.approx(error)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((None, None, None, 3), (2, 256, 256, 3)),
        ((None, 64, 48, 1), (2, 64, 48, 1)),
        ((4, 3, 64, 48), (4, 3, 64, 48)),
        ((None, 64, 64), (2, 64, 64)),
    ],
)
def test_sample_pictures_fit_and_differ(
    shape: tuple[int | None, ...], expected: tuple[int, ...]
) -> None:
    spec = TensorSpec("images", np.dtype(np.uint8), shape)
    images = sample_inputs([spec])["images"]
    assert images.shape == expected
    assert images.dtype == np.uint8
    assert images.std() > 20
    assert (images[0] != images[1]).any()
    np.testing.assert_array_equal(images, sample_inputs([spec])["images"])


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((None, None, None, 3), (5, 64, 96, 3)), ((None, 3, None, None), (5, 3, 64, 96))],
)
def test_samples_are_of_the_size_asked_for(
    shape: tuple[int | None, ...], expected: tuple[int, ...]
) -> None:
    spec = TensorSpec("images", np.dtype(np.uint8), shape)
    assert sample_inputs([spec], 5, (96, 64))["images"].shape == expected


def test_other_inputs_are_normally_distributed() -> None:
    latent = sample_inputs([TensorSpec("latent", np.dtype(np.float32), (None, 10, 64))])["latent"]
    assert latent.shape == (2, 10, 64)
    assert latent.dtype == np.float32
    assert latent.std() == pytest.approx(1, abs=0.1)
