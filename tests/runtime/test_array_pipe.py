from __future__ import annotations

import io
import struct

import numpy as np
import pytest

from streamfer.errors import EngineError
from streamfer.runtime.array_pipe import read_arrays, write_arrays


def test_messages_come_out_as_they_went_in() -> None:
    stream = io.BytesIO()
    write_arrays(stream, {"a": np.arange(6, dtype=np.uint8).reshape(2, 3), "b": np.array(1.5)})
    write_arrays(stream, {"text": np.array("why")})
    stream.seek(0)
    first, second = read_arrays(stream), read_arrays(stream)
    assert first is not None
    assert second is not None
    np.testing.assert_array_equal(first["a"], [[0, 1, 2], [3, 4, 5]])
    assert first["a"].dtype == np.uint8
    assert float(first["b"]) == 1.5
    assert str(second["text"]) == "why"
    assert read_arrays(stream) is None


@pytest.mark.parametrize("kept", [3, 8, 40])
def test_a_stream_that_breaks_off_ends(kept: int) -> None:
    stream = io.BytesIO()
    write_arrays(stream, {"a": np.zeros(100)})
    assert read_arrays(io.BytesIO(stream.getvalue()[:kept])) is None


@pytest.mark.parametrize(
    "noise",
    [struct.pack("<Q", 1 << 40), struct.pack("<Q", 5) + b"noise"],
    ids=["too long", "not arrays"],
)
def test_noise_is_refused(noise: bytes) -> None:
    with pytest.raises(EngineError, match="pipe:"):
        read_arrays(io.BytesIO(noise))


def test_objects_are_never_unpickled() -> None:
    buffer = io.BytesIO()
    np.savez(buffer, a=np.array([{"x": 1}], dtype=object))
    message = struct.pack("<Q", buffer.tell()) + buffer.getvalue()
    with pytest.raises(EngineError, match="unreadable"):
        read_arrays(io.BytesIO(message))
