"""Whatever happens to compiled engines on disk: the answers are right, and a line says what was."""

from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from streamfer.engine import Array, Engine
from streamfer.runtime.backends.onnxruntime import OnnxRuntimeEngine
from streamfer.runtime.backends.openvino import OpenVinoEngine
from streamfer.runtime.backends.tensorrt import TensorRtEngine
from streamfer.runtime.store import artifacts
from streamfer.runtime.store.engine_key import EngineKey
from streamfer.runtime.store.store import EngineStore
from tests.support.fake_tensorrt import VERSIONS, FakeTensorRT
from tests.support.models import small_network
from tests.support.queues import HostQueue

MODEL = small_network()
IMAGES = {"images": np.arange(3 * 8 * 8 * 3, dtype=np.uint8).reshape(3, 8, 8, 3)}

OPENERS: dict[str, Callable[[EngineStore], Engine]] = {
    "openvino": lambda store: OpenVinoEngine(MODEL, threads=1, store=store),
    "tensorrt": lambda store: TensorRtEngine(
        MODEL, gpu="H100 (sm_90)", precision="fp32", store=store, queue=HostQueue()
    ),
}


class Shelf:
    """A store, and a backend that keeps what it compiles there."""

    def __init__(self, root: Path, backend: str) -> None:
        self.lines: list[str] = []
        self.backend = backend
        self.store = EngineStore(root, self.lines.append)

    def probs(self) -> Array:
        """Opens the engine, runs it once and closes it."""
        engine = OPENERS[self.backend](self.store)
        try:
            return engine.run(IMAGES)["probs"]
        finally:
            engine.close()

    @property
    def key(self) -> EngineKey:
        """Of the engine that is kept."""
        keys = [entry.key for entry in self.store.entries()]
        (key,) = (key for key in keys if key is not None and key.model == MODEL.name)
        return key


@pytest.fixture(params=OPENERS)
def shelf(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    monkeypatch.setitem(sys.modules, "tensorrt", FakeTensorRT(VERSIONS[-1]))
    return Shelf(tmp_path / "engines", request.param)


@pytest.fixture
def expected() -> Array:
    engine = OnnxRuntimeEngine(MODEL, threads=1)
    probs = engine.run(IMAGES)["probs"]
    engine.close()
    return probs


def test_a_corrupted_file_is_compiled_again(shelf: Shelf, expected: Array) -> None:
    shelf.probs()
    payload = shelf.store.root / shelf.key.folder / "engine.bin"
    content = bytearray(payload.read_bytes())
    content[len(content) // 2] ^= 0xFF
    payload.write_bytes(content)
    np.testing.assert_allclose(shelf.probs(), expected, atol=1e-5)
    assert shelf.lines == [f"small: rebuilding for {shelf.backend}: the stored one is damaged"]


def test_a_file_that_the_backend_refuses_is_compiled_again(shelf: Shelf, expected: Array) -> None:
    shelf.probs()
    shelf.store.replace(shelf.key, b"whole, and no engine")
    np.testing.assert_allclose(shelf.probs(), expected, atol=1e-5)
    (line,) = shelf.lines
    assert line.startswith(f"small: rebuilding for {shelf.backend}: ")
    assert "refuses" in line
    np.testing.assert_allclose(shelf.probs(), expected, atol=1e-5)
    assert len(shelf.lines) == 1


def test_another_version_s_file_is_left_alone(shelf: Shelf, expected: Array) -> None:
    shelf.probs()
    key = shelf.key
    shelf.store.clean()
    old = replace(key, version="9.1.2")
    shelf.store.replace(old, b"what that version made")
    np.testing.assert_allclose(shelf.probs(), expected, atol=1e-5)
    (line,) = shelf.lines
    assert line.startswith(f"small: rebuilding for {shelf.backend}: version was 9.1.2, is ")
    assert shelf.store.read(old) == b"what that version made"


def test_a_full_disk_costs_a_line_and_the_next_start_s_time(
    shelf: Shelf, expected: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        path.write_bytes(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(artifacts, "_write_synced", full)
        np.testing.assert_allclose(shelf.probs(), expected, atol=1e-5)
    assert shelf.lines == [
        f"small: its engine could not be kept in {shelf.store.root} (No space left on device),"
        " so the next start compiles it again"
    ]
    assert shelf.store.entries() == []
    np.testing.assert_allclose(shelf.probs(), expected, atol=1e-5)
    assert shelf.store.read(shelf.key) is not None


_RACER = """
import sys
from pathlib import Path
from tests.runtime.store.test_engine_files import Shelf

shelf = Shelf(Path(sys.argv[1]), "openvino")
sys.stdin.readline()  # both start together
print(shelf.probs().tobytes().hex())
"""


def test_two_processes_at_once_get_the_same_engine(tmp_path: Path, expected: Array) -> None:
    command = [sys.executable, "-c", _RACER, str(tmp_path / "engines")]
    racers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("\n")
        racer.stdin.flush()
    answers = [racer.communicate(timeout=120)[0] for racer in racers]
    assert answers[0] == answers[1]
    probs = np.frombuffer(bytes.fromhex(answers[0]), np.float32).reshape(expected.shape)
    np.testing.assert_allclose(probs, expected, atol=1e-5)
    (entry,) = EngineStore(tmp_path / "engines").entries()
    assert entry.key is not None
