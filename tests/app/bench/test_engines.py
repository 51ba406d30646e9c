from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from streamfer.app.bench import engines as module
from streamfer.app.bench.command import BenchConfig, bench
from streamfer.app.bench.engines import EngineBenchConfig, EngineRates, interleaved_rates
from streamfer.app.config import RunConfig
from streamfer.runtime.store.store import EngineStore
from tests.support.models import small_network

QUICK = EngineBenchConfig(rounds=2, round_s=0.001, detector_batches=(1,), face_batches=(1, 2))


def rates(ours: tuple[float, ...], bare: tuple[float, ...], limit: float | None) -> EngineRates:
    return EngineRates("net", "openvino", "cpu", "fp32", 8, 2e9, ours, bare, limit)


def test_medians_and_the_ratio_of_turns_that_were_near_each_other() -> None:
    one = rates((90.0, 45.0, 93.0), (100.0, 50.0, 100.0), 1e12)
    assert (one.rate, one.bare_rate) == (90.0, 100.0)
    assert one.ratio == pytest.approx(0.9)
    assert one.limit_share == pytest.approx(0.18)


def test_what_was_not_measured_is_none() -> None:
    one = rates((90.0,), (), None)
    assert (one.bare_rate, one.ratio, one.limit_share) == (None, None, None)


def test_functions_take_turns_and_every_second_round_goes_backwards() -> None:
    now = 0.0
    calls: list[str] = []

    def run(name: str, takes_s: float) -> None:
        nonlocal now
        calls.append(name)
        now += takes_s

    runs = [lambda: run("ours", 0.5), lambda: run("bare", 0.25)]
    assert interleaved_rates(runs, 2, 1.0, clock=lambda: now) == [[2.0, 2.0], [4.0, 4.0]]
    turns = [*["ours"] * 3, *["bare"] * 10, *["ours"] * 3]
    assert calls == turns


def test_networks_are_measured_printed_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    detector, face = small_network("finder", 1), small_network("reader", 2)
    monkeypatch.setattr(module, "detector_model", lambda name, store: detector)
    monkeypatch.setattr(module, "face_model", lambda weights, store, progress: face)
    monkeypatch.setattr(
        module, "EngineStore", lambda notify: EngineStore(tmp_path / "engines", notify)
    )
    monkeypatch.setattr("streamfer.runtime.arithmetic._MATRIX_SIDE", {"cpu": 64})
    settings = BenchConfig(engines=QUICK)
    config = RunConfig(backend="onnxruntime", threads=1, refine=False)
    assert bench(config, tmp_path / "bench.json", settings, engines=True) == 0
    written = json.loads((tmp_path / "bench.json").read_text())
    assert set(written) == {"hardware", "gpus", "versions", "engines", "refinement"}
    assert written["refinement"] is None
    assert [(one["network"], one["batch"]) for one in written["engines"]] == [
        ("finder", 1),
        ("reader", 1),
        ("reader", 2),
    ]
    for one in written["engines"]:
        assert (one["backend"], one["device"], one["precision"]) == ("onnxruntime", "cpu", "fp32")
        assert len(one["per_s_rounds"]) == len(one["bare_per_s_rounds"]) == 2
        assert min(one["ratio"], one["limit_share"], one["limit_gflops"]) > 0
        assert one["gflop"] == pytest.approx(2 * (4 * 64 * 27 + 28) / 1e9, abs=1e-6)
    out = capsys.readouterr().out
    assert "finder alone: onnxruntime on cpu in fp32" in out
    assert "bare backend" in out


def test_without_a_bare_backend_the_table_says_so() -> None:
    console = Console(file=io.StringIO(), width=120)
    module._print([rates((90.0,), (), None)], console)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().count("–") == 3
