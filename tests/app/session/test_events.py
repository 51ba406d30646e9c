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
