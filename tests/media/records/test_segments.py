"""Which files are the continuations of others: an earlier run leaves some of the same names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streamfer.media.records.reader import read_records
from tests.support.made_records import write_records


def part(path: Path, first: int, frames: int, **more: Any) -> Path:
    """Records of so many frames, ten a second."""
    times = range(100 * first, 100 * (first + frames), 100)
    return write_records(path, times, first=first, **more)


def frames_of(path: Path) -> list[int]:
    return [frame["frame"] for frame in read_records(path, segments=True).frames]


@pytest.mark.parametrize(
    "leave",
    [
        lambda path: part(path, 10, 10),
        lambda path: part(path, 20, 10, source="other.mp4"),
        lambda path: write_records(path, [1900, 2000], first=20),
    ],
    ids=["frames go back", "another source", "time stands still"],
)
def test_what_an_earlier_run_left_is_left_out_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, leave: Callable[[Path], Path]
) -> None:
    whole = part(tmp_path / "talk.jsonl", 0, 20)
    leave(tmp_path / "talk.1.jsonl")
    part(tmp_path / "talk.2.jsonl", 20, 5)
    assert frames_of(whole) == list(range(25))
    (said,) = caplog.messages
    assert said.endswith("talk.1.jsonl: left out; it does not go on from talk.jsonl")


def test_events_and_streams_of_what_is_left_out_are_left_out_too(tmp_path: Path) -> None:
    whole = part(tmp_path / "talk.jsonl", 0, 20, source="talk.mp4")
    old = part(tmp_path / "talk.1.jsonl", 20, 5, source="other.mp4")
    with old.open("a") as file:
        file.write('{"stream":"talk","event":"opened","time_s":0.0}\n')
    records = read_records(whole, segments=True)
    assert records.events == []
    assert [entry["source"] for entry in records.header["streams"]] == ["talk.mp4"]


def test_each_part_is_held_against_the_one_before(tmp_path: Path) -> None:
    whole = part(tmp_path / "talk.jsonl", 0, 10)
    part(tmp_path / "talk.1.jsonl", 10, 10)
    part(tmp_path / "talk.2.jsonl", 15, 10)
    part(tmp_path / "talk.3.jsonl", 20, 0)
    part(tmp_path / "talk.4.jsonl", 20, 10)
    assert frames_of(whole) == list(range(30))


def test_a_file_asked_for_alone_is_read_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    part(tmp_path / "talk.1.jsonl", 0, 5)
    whole = part(tmp_path / "talk.jsonl", 0, 10)
    assert len(read_records(whole).frames) == 10
    assert caplog.messages == []


def test_a_stale_file_that_would_fit_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    newer = part(tmp_path / "talk.jsonl", 0, 10, run="b")
    part(tmp_path / "talk.1.jsonl", 10, 10, run="a")
    part(tmp_path / "talk.2.jsonl", 20, 5, run="a")
    part(tmp_path / "talk.3.jsonl", 10, 10, run="b")
    part(tmp_path / "talk.4.jsonl", 20, 5, run="b")
    read = read_records(newer, segments=True)
    assert [frame["frame"] for frame in read.frames] == list(range(25))
    assert read.header["run"] == "b"
    assert [message.split(":")[0][-12:] for message in caplog.messages] == [
        "talk.1.jsonl",
        "talk.2.jsonl",
    ]


def test_an_interrupted_run_is_not_extended_by_an_earlier_one(tmp_path: Path) -> None:
    newer = part(tmp_path / "talk.jsonl", 0, 7, run="b")
    part(tmp_path / "talk.1.jsonl", 10, 10, run="a")
    part(tmp_path / "talk.2.jsonl", 20, 5, run="a")
    assert frames_of(newer) == list(range(7))


@pytest.mark.parametrize("runs", [("a", None), (None, "a")], ids=["newer", "older"])
def test_a_version_without_runs_did_not_go_on_with_one_that_has_them(
    tmp_path: Path, runs: tuple[str | None, str | None]
) -> None:
    whole = part(tmp_path / "talk.jsonl", 0, 10, run=runs[0])
    part(tmp_path / "talk.1.jsonl", 10, 10, run=runs[1])
    assert frames_of(whole) == list(range(10))


def test_a_stream_that_begins_anew_within_a_run_stays_part_of_it(tmp_path: Path) -> None:
    """As one does that is taken out of a run and added again."""
    whole = part(tmp_path / "talk.jsonl", 0, 10, run="a")
    part(tmp_path / "talk.1.jsonl", 0, 10, run="a")
    assert frames_of(whole) == [*range(10), *range(10)]


def test_without_runs_and_numbers_times_tell(tmp_path: Path) -> None:
    whole = part(tmp_path / "talk.jsonl", 0, 10)
    part(tmp_path / "talk.1.jsonl", 9, 10)
    part(tmp_path / "talk.2.jsonl", 10, 10)
    for path in tmp_path.iterdir():
        path.write_text(path.read_text().replace('"frame"', '"number"'))
    frames = read_records(whole, segments=True).frames
    assert [frame["number"] for frame in frames] == list(range(20))
