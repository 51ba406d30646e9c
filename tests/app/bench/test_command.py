from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from streamfer import __version__
from streamfer.app.bench.command import BenchConfig, bench
from streamfer.app.bench.program import ProgramBenchConfig
from streamfer.app.bench.streams import StreamsBenchConfig
from streamfer.app.config import RunConfig
from streamfer.errors import ConfigError
from streamfer.pipeline.stats.timing import STAGES
from tests.support.clips import ClipSpec, make_clip

QUICK = BenchConfig(
    program=ProgramBenchConfig(rounds=1, short_run_s=0.01, cores=False),
    streams=StreamsBenchConfig(run_s=0.2),
)


def test_figures_are_printed_and_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    clip = make_clip(tmp_path / "a.mp4", ClipSpec(frames=10, fps=Fraction(50)))
    settings = replace(QUICK, program=replace(QUICK.program, cores=True))
    assert bench(RunConfig(source=(str(clip),)), tmp_path / "bench.json", settings) == 0
    figures = json.loads((tmp_path / "bench.json").read_text())
    assert figures["schema"] == "streamfer.summary/1"
    assert figures["fps"] > 0
    assert len(figures["fps_rounds"]) == 1
    assert set(figures["latency_ms"]) == {"p50", "p95", "p99"}
    of_faces = ("align", "classify", "heads", "draw")
    faceless = [stage for stage in STAGES if stage not in of_faces]
    assert list(figures["stages_ms_per_frame"]) == faceless
    floor = figures["floor_core_ms_per_frame"]
    assert set(floor) == {"decode", "convert", "encode"}
    assert min(floor.values()) > 0
    assert figures["floor_share"] > 0
    assert list(figures["stages_core_ms_per_frame"]) == faceless
    written = figures["stages_written_kb_per_frame"]
    assert written["convert"] == round(96 * 64 * 3 / 1000, 1)
    assert written["encode"] == round(96 * 64 * 1.5 / 1000, 1)
    out = capsys.readouterr().out
    assert "frames/s" in out
    assert "floor of this machine" in out
    assert figures["hardware"] in out
    assert f"streamfer {__version__}, " in out
    assert figures["versions"]["streamfer"] == __version__
    assert isinstance(figures["gpus"], list)
    assert not list(tmp_path.glob("*.jsonl"))  # its outputs are temporary


@pytest.mark.parametrize("limit", [1, 4, 50])
def test_a_limit_of_frames_leaves_a_rate(tmp_path: Path, limit: int) -> None:
    clip = make_clip(tmp_path / "a.mp4", ClipSpec(frames=10, fps=Fraction(50)))
    config = RunConfig(source=(str(clip),), max_frames=limit)
    assert bench(config, tmp_path / "bench.json", QUICK) == 0
    figures = json.loads((tmp_path / "bench.json").read_text())
    assert figures["fps"] > 0
    assert figures["frames"] % min(limit, 10) == 0


def test_a_live_source_is_refused() -> None:
    config = RunConfig(source=("rtsp://127.0.0.1:9/x",))
    with pytest.raises(ConfigError, match="a live source sets its own pace"):
        bench(config, None, QUICK)


def test_nothing_to_measure_is_refused() -> None:
    with pytest.raises(ConfigError, match="bench: name a file or demo:, or"):
        bench(RunConfig(), None, QUICK)
