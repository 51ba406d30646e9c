from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest

from streamfer.app.bench import streams as module
from streamfer.app.bench.command import BenchConfig, bench
from streamfer.app.bench.streams import StreamsBenchConfig, StreamsLoad
from streamfer.app.config import RunConfig
from streamfer.errors import ConfigError
from streamfer.pipeline.stats.snapshots import RunSnapshot
from tests.support.clips import ClipSpec, make_clip
from tests.support.snapshots import info, run, stream

QUICK = BenchConfig(streams=StreamsBenchConfig(run_s=0.2, live_s_per_stream=0))


def run_of(*frames: int, **changes: object) -> RunSnapshot:
    """With a stream for each number of analysed frames."""
    return run(*(stream(info(f"s{i}"), frames=n) for i, n in enumerate(frames)), **changes)


def test_what_the_table_shows_follows_from_two_runs() -> None:
    load = StreamsLoad(3, fast=run_of(100, 100, 100), live=run_of(40, 50, 30, dropped=80))
    assert load.fairness == pytest.approx(0.6)
    assert load.dropped_share == pytest.approx(0.4)
    assert load.p95_ms == 24.0


def test_a_run_that_analysed_nothing_has_figures_too() -> None:
    load = StreamsLoad(2, fast=run_of(1, 1), live=run_of(0, 0, latency_ms=None))
    assert (load.fairness, load.dropped_share, load.p95_ms) == (0.0, 0.0, None)


def test_figures_are_printed_and_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    clip = make_clip(tmp_path / "a.mp4", ClipSpec(frames=10, fps=Fraction(50)))
    config = RunConfig(source=(str(clip),), refine=False)
    assert bench(config, tmp_path / "bench.json", QUICK, streams="1,3") == 0
    written = json.loads((tmp_path / "bench.json").read_text())
    assert set(written) == {"hardware", "gpus", "versions", "by_streams"}
    assert [load["streams"] for load in written["by_streams"]] == [1, 3]
    for load in written["by_streams"]:
        assert load["fps"] > 0
        assert load["live_fps"] > 0
        assert 0 <= load["live_fairness"] <= 1
        assert 0 <= load["live_dropped_share"] < 1
    out = capsys.readouterr().out
    assert "measuring 3 streams" in out
    assert "fairness" in out
    assert not list(tmp_path.glob("*.jsonl"))  # its records are temporary


def test_each_number_gets_about_as_many_frames(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[RunConfig] = []

    def measured(config: RunConfig, *_: object) -> RunSnapshot:
        asked.append(config)
        return run_of(*[10 for _ in config.source], fps=50.0)

    monkeypatch.setattr(module, "measured_run", measured)
    config = RunConfig(source=("demo:",))
    settings = BenchConfig(streams=StreamsBenchConfig(run_s=2.0, live_s_per_stream=3.0))
    bench(config, None, settings, streams="1,4,10")
    warm, *runs = asked
    assert (warm.duration, warm.loop) == (2.0, 1)
    assert [(r.source, r.concurrent_files) for r in runs[2:4]] == [(("demo:",) * 4, 4)] * 2
    assert [(r.max_frames, r.loop) for r in (runs[0], runs[2])] == [(100, 10), (25, 3)]
    assert [(r.realtime, r.max_frames) for r in (runs[1], runs[3])] == [(True, None)] * 2
    rounds = [r.loop for r in runs[1::2]]
    assert rounds == [1, 2, 3], "3 s of a clip of 10 s for each stream"


@pytest.mark.parametrize("streams", ["", "0", "1,0", "-1", "1,two", "1.5"])
def test_what_is_no_number_of_streams_is_refused(streams: str) -> None:
    with pytest.raises(ConfigError, match="streams: expected numbers such as 1,2,4, got"):
        bench(RunConfig(source=("demo:",)), None, QUICK, streams=streams)


def test_many_sources_are_refused() -> None:
    with pytest.raises(ConfigError, match="--streams takes one file or demo:"):
        bench(RunConfig(source=("demo:", "demo:")), None, QUICK, streams="1")


def test_no_source_is_refused() -> None:
    with pytest.raises(ConfigError, match="name a file or demo:"):
        bench(RunConfig(), None, QUICK, streams="1", engines=True)
