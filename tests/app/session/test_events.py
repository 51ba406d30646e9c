from __future__ import annotations

from pathlib import Path

import pytest

import streamfer
from streamfer.errors import ConfigError


def test_events_are_in_the_records_and_at_the_caller_s_sinks(tmp_path: Path) -> None:
    seen = []

    class Listener:
        def write(self, result: streamfer.FrameResult) -> None: ...

        def event(self, event: streamfer.StreamEvent) -> None:
            seen.append(event.to_dict())

    records = tmp_path / "r.jsonl"
    with streamfer.Session(refine=False, backend="onnxruntime") as session:
        session.run(
            "demo:",
            max_frames=30,
            records=records,
            event=["looks: yaw < 90 for 200 ms", "face_appeared for 100 ms"],
            sinks=[Listener()],
        )
        assert streamfer.read_records(records).events == seen
        kinds = [(event["event"], event.get("name")) for event in seen]
        assert kinds == [("face_appeared", None), ("rule", "looks"), ("face_left", None)]

        session.run("demo:", max_frames=30, records=records, events=False)
        assert streamfer.read_records(records).events == []


def test_a_rule_that_does_not_parse_ends_the_run_before_it_begins() -> None:
    with pytest.raises(ConfigError, match=r"at '>> 1' .character 7.: expected a number|at '> 1'"):
        streamfer.analyze("demo:", event="happy >> 1")
    with pytest.raises(ConfigError, match="expected what to compare; did you mean happy"):
        streamfer.analyze("demo:", event=["faces > 1", "hapy > 1"])
    with pytest.raises(ConfigError, match="event: expected a text or several"):
        streamfer.analyze("demo:", event=3)  # type: ignore[arg-type]


def test_the_baseline_is_in_the_records_and_in_rules(tmp_path: Path) -> None:
    records = tmp_path / "r.csv"
    with streamfer.Session(refine=False) as session:
        session.run("demo:", max_frames=20, records=records, baseline=0.2, event="departure < 0.9")
    read = streamfer.read_records(records)
    departures = [frame["faces"][0]["departure"] for frame in read.frames]
    assert departures[0] is None
    assert 0 <= departures[-1] <= 1
    assert "rule" in [event["event"] for event in read.events]
    for wrong in ("0", "soon", "nan", -1):
        with pytest.raises(ConfigError, match="--baseline: expected a number of seconds"):
            streamfer.analyze("demo:", baseline=wrong)
