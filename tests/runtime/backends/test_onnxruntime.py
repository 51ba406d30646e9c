"""What is particular to the ONNX Runtime backend; see test_contract.py for the rest."""

from __future__ import annotations

from typing import Any

import onnxruntime as ort
import pytest

from streamfer.runtime.backends.onnxruntime import OnnxRuntimeEngine, bare_onnxruntime
from tests.support.models import small_network

SPIN = "session.intra_op.spin_duration_us"


def test_threads_spin_briefly_but_those_it_is_measured_against_as_they_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[ort.SessionOptions] = []
    session = ort.InferenceSession

    def open_session(data: bytes, options: ort.SessionOptions, **others: Any) -> object:
        opened.append(options)
        return session(data, options, **others)

    monkeypatch.setattr(ort, "InferenceSession", open_session)
    OnnxRuntimeEngine(small_network(), threads=2).close()
    bare_onnxruntime(small_network(), threads=2)
    ours, bare = opened
    assert 0 < int(ours.get_session_config_entry(SPIN)) <= 50
    with pytest.raises(RuntimeError, match=SPIN):
        bare.get_session_config_entry(SPIN)
