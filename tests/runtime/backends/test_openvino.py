from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from streamfer.errors import EngineError
from streamfer.runtime.backends import openvino
from streamfer.runtime.backends.openvino import OpenVinoEngine
from streamfer.runtime.hardware import Cpu
from streamfer.runtime.model import Precision
from streamfer.runtime.store.store import EngineStore
from tests.support.models import small_network

_IMPORT = """
import sys, threading
from streamfer.runtime.backends.openvino import import_openvino

openvino = import_openvino()
openvino.Core()
assert not [name for name in sys.modules if name.startswith("openvino_telemetry")]
assert "openvino.tools.ovc" not in sys.modules
assert threading.active_count() == 1, threading.enumerate()
"""


def test_the_import_reports_to_nobody() -> None:
    subprocess.run([sys.executable, "-c", _IMPORT], check=True, timeout=60)


def test_a_missing_openvino_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(EngineError, match="OpenVINO cannot be loaded"):
        OpenVinoEngine(small_network())


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_a_precision_that_is_not_to_be_had(precision: str) -> None:
    with pytest.raises(EngineError, match=f"not .*{precision}"):
        OpenVinoEngine(small_network(), precision=precision)  # type: ignore[arg-type]


def test_bf16_is_what_it_says() -> None:
    engine = OpenVinoEngine(small_network(), precision="bf16", threads=1)
    assert engine.precision == "bf16"
    engine.close()


@pytest.mark.parametrize(
    ("precision", "features", "expected"),
    [
        ("fp32", ("avx512_bf16",), "f32"),
        ("bf16", (), "bf16"),
        ("int8", ("avx512f", "avx512_vnni"), "f32"),
        ("int8", ("avx512_vnni", "avx512_bf16"), "bf16"),
        ("int8", ("amx_int8", "amx_bf16"), "bf16"),
    ],
)
def test_what_is_not_quantised_takes_bf16_where_the_cpu_has_it(
    precision: Precision,
    features: tuple[str, ...],
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(openvino, "find_cpu", lambda: Cpu("some", features))
    assert openvino._float_type(precision) == expected


@pytest.mark.parametrize("kept", [False, True])
def test_threads_are_as_asked_and_free_to_move(tmp_path: Path, kept: bool) -> None:
    store = EngineStore(tmp_path) if kept else None
    for _ in range(2):
        engine = OpenVinoEngine(small_network(), threads=1, store=store)
        compiled = engine._request.get_compiled_model()
        assert compiled.get_property("INFERENCE_NUM_THREADS") == 1
        assert compiled.get_property("ENABLE_CPU_PINNING") is False
        engine.close()


def printed_by(code: str) -> str:
    """What a program prints, in a process of its own that must end well."""
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_a_signal_after_engines_are_closed_is_survived() -> None:
    """A plugin that was unloaded left signals without a stack to be handled on."""
    code = (
        "import signal\n"
        "from streamfer.runtime.backends.openvino import OpenVinoEngine\n"
        "from tests.support.models import small_network\n"
        "engines = [OpenVinoEngine(small_network(name)) for name in 'ab']\n"
        "for engine in engines: engine.close()\n"
        "signal.signal(signal.SIGINT, lambda *_: print('survived'))\n"
        "signal.raise_signal(signal.SIGINT)\n"
    )
    assert printed_by(code) == "survived\n"


def test_many_signals_at_once_are_survived() -> None:
    """Their frames lie on one another: they did not fit the plugin's stack for signals."""
    code = (
        "import os, signal\n"
        "from streamfer.runtime.backends.openvino import OpenVinoEngine\n"
        "from tests.support.models import small_network\n"
        "engine = OpenVinoEngine(small_network())\n"
        "several = {*range(signal.SIGRTMIN, signal.SIGRTMAX)}\n"
        "came = []\n"
        "for number in several: signal.signal(number, lambda number, _: came.append(number))\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, several)\n"
        "for number in several: os.kill(os.getpid(), number)\n"
        "signal.pthread_sigmask(signal.SIG_UNBLOCK, several)\n"
        "print(set(came) == several)\n"
    )
    assert printed_by(code) == "True\n"


class CrowdedCore:
    """A core that notices when two threads are in it at once."""

    def __init__(self) -> None:
        self._real = openvino._core()
        self._meeting = threading.Barrier(2)
        self.met = False

    def read_model(self, content: bytes) -> Any:
        return self._real.read_model(content)

    def compile_model(self, *arguments: Any) -> Any:
        try:
            self._meeting.wait(0.3)
        except threading.BrokenBarrierError:
            self._meeting.reset()
        else:
            self.met = True
        return self._real.compile_model(*arguments)


def test_threads_that_open_networks_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """The core's locks, taken in either order, held them for ever in 2 of 40 runs."""
    core = CrowdedCore()
    monkeypatch.setattr(openvino, "_core", lambda: core)
    with ThreadPoolExecutor(2) as pool:
        engines = list(pool.map(OpenVinoEngine, [small_network("a"), small_network("b")]))
    for engine in engines:
        engine.close()
    assert not core.met
