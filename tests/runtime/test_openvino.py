from __future__ import annotations

import subprocess
import sys

import pytest

from streamfer.errors import EngineError
from streamfer.runtime.openvino import OpenVinoEngine
from tests.support.models import small_network

_IMPORT = """
import sys, threading
from streamfer.runtime.openvino import import_openvino

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
