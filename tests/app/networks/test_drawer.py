"""The network that draws every face in every frame."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamfer.app.config import RunConfig
from streamfer.app.config_fields import Precision
from streamfer.app.networks.drawer import open_draw_engine
from streamfer.engine import Engine
from streamfer.models.shipped import SHIPPED
from streamfer.runtime.model import OnnxModel
from streamfer.runtime.store.store import EngineStore
from tests.support.engines import FakeEngine


@pytest.mark.parametrize(
    ("asked", "device", "given"),
    [
        ("auto", "cpu", "auto"),
        ("bf16", "cpu", "auto"),
        ("int8", "cpu", "fp32"),
        ("fp32", "cpu", "fp32"),
        ("auto", "cuda:0", "fp32"),
        ("fp16", "cuda:0", "fp32"),
    ],
)
@pytest.mark.parametrize("at_once", [False, True])
def test_it_computes_in_what_does_not_show(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    asked: Precision,
    device: str,
    given: str,
    at_once: bool,
) -> None:
    precisions = []

    def opened(_: OnnxModel, *, precision: str, **__: object) -> Engine:
        precisions.append(precision)
        return FakeEngine(lambda inputs: {})

    drawer = "streamfer.app.networks.drawer"
    monkeypatch.setattr(f"{drawer}.open_engine", opened)
    monkeypatch.setattr(f"{drawer}.open_serving_engine", lambda *a, **k: (opened(*a, **k), None))
    config = RunConfig(precision=asked)
    store = EngineStore(tmp_path)
    open_draw_engine(SHIPPED.generator, config, device, store, lambda *_: None, at_once=at_once)
    assert precisions == [given]
