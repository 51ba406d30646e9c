"""What every backend must do: one suite for all of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from streamfer.engine import Array, Engine
from streamfer.errors import EngineError
from streamfer.runtime.model import OnnxModel
from streamfer.runtime.onnxruntime import OnnxRuntimeEngine
from streamfer.runtime.openvino import OpenVinoEngine
from tests.support.models import small_network

MODEL = small_network(torch_form=True)

OPENERS: dict[str, Callable[[OnnxModel], Engine]] = {
    "onnxruntime": lambda model: OnnxRuntimeEngine(model, threads=1),
    "openvino": lambda model: OpenVinoEngine(model, threads=1),
}


@pytest.fixture(params=OPENERS)
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def engine(backend: str) -> Iterator[Engine]:
    opened = OPENERS[backend](MODEL)
    yield opened
    opened.close()


def pictures(count: int, seed: int = 0) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    return {"images": rng.integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)}


def test_it_says_what_it_is(engine: Engine, backend: str) -> None:
    assert (engine.name, engine.backend, engine.device) == ("small", backend, "cpu")
    assert engine.precision == "fp32"
    assert engine.sha256 == hashlib.sha256(MODEL.data).hexdigest()
    assert [(s.name, s.dtype, s.shape) for s in engine.inputs] == [
        ("images", np.uint8, (None, 8, 8, 3))
    ]
    assert [(s.name, s.dtype, s.shape) for s in engine.outputs] == [
        ("probs", np.float32, (None, 7)),
        ("mean", np.float32, (None, 4)),
    ]


@pytest.mark.parametrize("count", [1, 3, 2, 40])
def test_it_agrees_with_the_reference_at_any_batch(engine: Engine, count: int) -> None:
    reference = OnnxRuntimeEngine(MODEL, threads=1)
    inputs = pictures(count)
    ours, theirs = engine.run(inputs), reference.run(inputs)
    reference.close()
    assert ours.keys() == theirs.keys()
    np.testing.assert_allclose(ours["probs"], theirs["probs"], atol=1e-3)
    np.testing.assert_allclose(ours["mean"], theirs["mean"], rtol=1e-3)


def test_its_answers_are_the_callers_own(engine: Engine) -> None:
    first = engine.run(pictures(2, seed=1))
    kept = {name: array.copy() for name, array in first.items()}
    engine.run(pictures(2, seed=2))
    for name, array in first.items():
        np.testing.assert_array_equal(array, kept[name])
        array[...] = 0


def test_its_inputs_stay_as_they_were(engine: Engine) -> None:
    inputs = pictures(2)
    before = inputs["images"].copy()
    engine.run(inputs)
    np.testing.assert_array_equal(inputs["images"], before)


def test_it_takes_read_only_and_strided_inputs(engine: Engine) -> None:
    plain = pictures(4)["images"]
    frozen = plain.copy()
    frozen.setflags(write=False)
    strided = np.repeat(plain, 2, axis=0)[::2]
    expected = engine.run({"images": plain})["probs"]
    np.testing.assert_array_equal(engine.run({"images": frozen})["probs"], expected)
    np.testing.assert_array_equal(engine.run({"images": strided})["probs"], expected)


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ({}, r"small: expected the inputs \['images'\], got \[\]"),
        (pictures(1) | {"more": np.zeros(1)}, r"got \['images', 'more'\]"),
        ({"images": np.zeros((1, 8, 8, 3), np.float32)}, "expected dtype uint8, got float32"),
        (
            {"images": np.zeros((1, 8, 9, 3), np.uint8)},
            r"expected shape \(\?, 8, 8, 3\), got \(1, 8, 9, 3\)",
        ),
        ({"images": np.zeros((8, 8, 3), np.uint8)}, r"got \(8, 8, 3\)"),
    ],
)
def test_wrong_inputs_say_expected_and_got(
    engine: Engine, inputs: dict[str, Array], says: str
) -> None:
    with pytest.raises(EngineError, match=says):
        engine.run(inputs)


def test_closing_twice_is_fine_and_running_after_is_an_error(engine: Engine) -> None:
    engine.close()
    engine.close()
    with pytest.raises(EngineError, match="small: the engine is closed"):
        engine.run(pictures(1))


@pytest.mark.parametrize("data", [b"", b"garbage", MODEL.data[: len(MODEL.data) // 2]])
def test_a_broken_file_is_named(backend: str, data: bytes) -> None:
    with pytest.raises(EngineError, match="broken:"):
        OPENERS[backend](OnnxModel.from_bytes("broken", data))
