from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import streamfer
from streamfer.app.session import options
from tests.support.clips import ClipSpec, make_clip


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"max_frame": 3}, "unknown option 'max_frame'; did you mean 'max_frames'?"),
        ({"colour": "red"}, "unknown option 'colour'"),
        ({"max_frames": 0}, "max-frames: at least 1"),
        ({"max_frames": "many"}, "max_frames: expected a whole number, got 'many'"),
        ({"max_frames": 2.5}, "max_frames: expected a whole number"),
        ({"max_frames": True}, "max_frames: expected a whole number"),
        ({"start": "soon"}, "start: expected a number"),
        ({"start": float("nan")}, "start: expected a number"),
        ({"refine": "yes"}, "refine: expected True or False"),
        ({"backend": "tpu"}, "backend: expected one of auto, "),
        ({"records": 5}, "records: expected a path"),
        ({"encoder": None}, "encoder: expected text"),
        ({"detect_every": "often"}, "detect-every: expected a number of frames or auto"),
        ({"display": True}, "display: a library opens no window"),
        ({"quiet": False}, "quiet: "),
        ({"log_level": "debug"}, "log_level: "),
    ],
)
def test_wrong_options_are_refused_when_called(wrong: dict[str, Any], complaint: str) -> None:
    with pytest.raises(streamfer.ConfigError) as raised:
        streamfer.analyze("demo:", **wrong)
    assert complaint in str(raised.value)


def test_options_are_coerced_as_on_the_command_line(tmp_path: Path) -> None:
    config = options.config_from_options(
        {
            "records": "x.jsonl",
            "output": tmp_path / "x.mp4",
            "detect_every": 5,
            "max_frames": "7",
            "start": 1,
            "duration": np.float32(2.5),
            "crf": np.int64(30),
            "detect_size": "320",
        }
    )
    assert config.records == Path("x.jsonl")
    assert config.output == tmp_path / "x.mp4"
    assert (config.detect_every, config.max_frames, config.crf) == ("5", 7, 30)
    assert (config.start, config.duration, config.detect_size) == (1.0, 2.5, "320")
    assert (config.display, config.quiet) == (False, True)


def test_what_the_networks_are_belongs_to_the_session(opened: streamfer.Session) -> None:
    with pytest.raises(streamfer.ConfigError, match="backend: belongs to the session"):
        opened.analyze("demo:", backend="torch")


def test_every_output_of_the_program_is_written(
    clip: Path, tmp_path: Path, opened: streamfer.Session
) -> None:
    out = tmp_path / "out"
    outcome = opened.run(
        clip,
        output=out / "talk.mp4",
        records=str(out / "talk.jsonl"),
        json_summary=out / "summary.json",
        save_config=out / "config.toml",
        metrics="127.0.0.1:0",
        snapshot_every=0.1,
        snapshot_dir=out / "pictures",
    )
    assert outcome.snapshot.frames == 6
    assert set(outcome.files) >= {out / "talk.mp4", out / "talk.jsonl"}
    assert json.loads((out / "summary.json").read_text())["frames"] == 6
    assert (out / "config.toml").stat().st_size > 0
    assert len(list((out / "pictures").iterdir())) == 3


def test_segments_and_skipping_work_here_too(tmp_path: Path, opened: streamfer.Session) -> None:
    long = make_clip(tmp_path / "long.mp4", ClipSpec(frames=40))
    opened.run(long, records=tmp_path / "cut.jsonl", segment=1.0)
    assert len(list(tmp_path.glob("cut*.jsonl"))) == 2
    again = {"output": tmp_path / "long.out.mp4", "skip_existing": True}
    assert opened.run(long, **again).snapshot.frames == 40
    assert opened.run(long, **again).snapshot.frames == 0
    assert list(opened.analyze(long, **again)) == []
