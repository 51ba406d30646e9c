from __future__ import annotations

import numpy as np
import pytest
import torch

from streamfer.errors import EngineError
from streamfer.runtime.backends import graph_engine
from streamfer.runtime.backends.graph_engine import padded_batch
from streamfer.runtime.backends.torch import TorchCudaEngine
from tests.support.models import small_network
from tests.support.queues import HostQueue

MODEL = small_network(torch_form=True)


def images(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(count)
    return torch.randint(0, 256, (count, 8, 8, 3), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize(
    ("count", "expected"), [(1, 1), (2, 2), (3, 4), (5, 8), (8, 8), (100, 128), (128, 128)]
)
def test_padded_batch(count: int, expected: int) -> None:
    assert padded_batch(count, 128) == expected


def test_padding_stops_at_the_largest_batch() -> None:
    assert padded_batch(9, 12) == 12


def test_one_recording_serves_all_batches_of_a_size() -> None:
    queue = HostQueue()
    engine = TorchCudaEngine(MODEL, precision="fp32", queue=queue)
    for count in (5, 8, 6, 7, 5):
        assert engine.enqueue({"images": images(count)})["probs"].shape == (count, 7)
    assert queue.records == 1
    engine.close()


def test_only_so_many_recordings_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_engine, "_PROGRAMS_KEPT", 8)
    queue = HostQueue()
    engine = TorchCudaEngine(MODEL, precision="fp32", queue=queue)
    engine._max_batch = 2**12
    for power in (*range(9), 0, 8):  # nine sizes: the first has gone, the ninth has not
        engine.enqueue({"images": images(2**power)})
    assert queue.records == 10
    engine.close()


def test_a_resident_run_copies_once_and_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = HostQueue()
    waits: list[str] = []
    monkeypatch.setattr(queue, "synchronize", lambda: waits.append("waited"))
    engine = TorchCudaEngine(MODEL, precision="fp32", queue=queue)
    batch = images(3).numpy()
    run = engine.resident_run({"images": batch})
    expected = engine.run({"images": batch})["probs"]
    batch[...] = 0  # what was copied is run
    waits.clear()
    run()
    assert waits == ["waited"]
    (program,) = engine._programs.values()
    np.testing.assert_array_equal(program.outputs["probs"][:3].numpy(), expected)
    engine.close()


def test_tensors_and_arrays_give_the_same() -> None:
    engine = TorchCudaEngine(MODEL, precision="fp32", queue=HostQueue())
    batch = images(3)
    arrays = engine.run({"images": batch.numpy()})
    tensors = engine.enqueue({"images": batch})
    np.testing.assert_array_equal(arrays["probs"], tensors["probs"].numpy())
    engine.close()


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ({}, r"expected the inputs \['images'\], got \[\]"),
        ({"images": images(1).float()}, "expected dtype torch.uint8, got torch.float32"),
        ({"images": images(1)[:, :4]}, r"expected shape \(\?, 8, 8, 3\), got \(1, 4, 8, 3\)"),
        ({"images": images(1).to("meta")}, "expected device cpu, got meta"),
    ],
)
def test_wrong_tensors_say_expected_and_got(inputs: dict[str, torch.Tensor], says: str) -> None:
    engine = TorchCudaEngine(MODEL, precision="fp32", queue=HostQueue())
    with pytest.raises(EngineError, match=says):
        engine.enqueue(inputs)
    engine.close()


def test_a_device_that_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = TorchCudaEngine(MODEL, precision="fp32", queue=HostQueue())

    def out_of_memory(shapes: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nmore")

    monkeypatch.setattr(engine, "_record", out_of_memory)
    with pytest.raises(EngineError, match=r"small: cpu failed: CUDA out of memory.*GiB$"):
        engine.enqueue({"images": images(1)})
    engine.close()
