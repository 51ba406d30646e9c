from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streamfer.errors import ConfigError, OutputError
from streamfer.media.files.claims import OutputClaims, free_path
from streamfer.media.files.output_path import beside
from streamfer.media.files.series import FileSeries
from streamfer.types import Frame
from tests.support.sources import pending

WALL = "2026-11-28T15:22:00.5+01:00"


def noon() -> datetime:
    return datetime(2026, 11, 28, 12, 0, 0, tzinfo=UTC)


def header_beside(path: Path) -> tuple[Path, ...]:
    return (beside(path, "header.json"),)


def frame(index: int, wall: str | None = None) -> Frame:
    return replace(pending(index).to_frame("cam", 0), wall=wall)


def written(series: FileSeries, count: int, wall: str | None = None) -> list[str]:
    """Claims so many files, fills them, and gives their names."""
    names = []
    for _ in range(count):
        path = series.next(None if wall is None else frame(0, wall))
        path.write_text("this run's")
        names.append(path.name)
    return names


def test_continuations_are_numbered(tmp_path: Path) -> None:
    series = FileSeries(OutputClaims(), tmp_path / "cam.mp4")
    assert written(series, 3) == ["cam.mp4", "cam.1.mp4", "cam.2.mp4"]
    assert [path.name for path in series.paths] == ["cam.mp4", "cam.1.mp4", "cam.2.mp4"]
    assert series.note is None


def test_a_named_file_is_replaced_and_every_other_stepped_over(tmp_path: Path) -> None:
    for name in ("cam.mp4", "cam.1.mp4", "cam.3.mp4"):
        (tmp_path / name).write_text("before")
    series = FileSeries(OutputClaims(), tmp_path / "cam.mp4")
    assert written(series, 3) == ["cam.mp4", "cam.2.mp4", "cam.4.mp4"]
    assert (tmp_path / "cam.1.mp4").read_text() == "before"
    assert series.note is not None
    assert series.note.endswith("cam.1.mp4, cam.3.mp4")


def test_what_an_earlier_run_left_is_said_even_where_this_one_does_not_go_on(
    tmp_path: Path,
) -> None:
    for number in range(1, 7):
        (tmp_path / f"cam.{number}.mp4").write_text("before")
    series = FileSeries(OutputClaims(), tmp_path / "cam.mp4")
    written(series, 1)
    assert series.note is not None
    assert series.note.endswith("cam.1.mp4, cam.2.mp4, cam.3.mp4 and 3 more")


def test_what_is_said_of_strangers_does_not_end_at_a_number_that_is_missing(
    tmp_path: Path,
) -> None:
    for name in ("cam.10.mp4", "cam.9.mp4", "cam.01.mp4", "cam.x.mp4", "cam.3.mkv", "cam2.4.mp4"):
        (tmp_path / name).write_text("before")
    series = FileSeries(OutputClaims(), tmp_path / "cam.mp4")
    written(series, 2)
    assert series.note is not None
    assert series.note.endswith("run: cam.9.mp4, cam.10.mp4")


def test_continuations_step_over_inputs_and_other_outputs(tmp_path: Path) -> None:
    source, other = tmp_path / "cam.1.mp4", tmp_path / "cam.2.mp4"
    claims = OutputClaims([source])  # neither is there yet
    claims.name("--output", tmp_path / "cam.mp4")
    claims.name("--output", other)
    series = FileSeries(claims, tmp_path / "cam.mp4")
    assert written(series, 2) == ["cam.mp4", "cam.3.mp4"]
    assert written(FileSeries(claims, other), 1) == ["cam.2.mp4"]


def begun(at: Frame, *outputs: FileSeries) -> list[str]:
    """Claims the next file of each output, and gives their names."""
    return [output.next(at).name for output in outputs]


def test_what_begins_at_one_frame_of_a_stream_has_one_number(tmp_path: Path) -> None:
    for name in ("cam.1.mp4", "cam.3.csv", "cam.4.csv.header.json"):
        (tmp_path / name).write_text("before")
    claims = OutputClaims([tmp_path / "cam.7.csv"])
    video = FileSeries(claims, tmp_path / "cam.mp4", stream="cam")
    records = FileSeries(claims, tmp_path / "cam.csv", False, header_beside, "cam")
    assert begun(frame(0), video, records) == ["cam.mp4", "cam.csv"]
    assert begun(frame(9), video, records) == ["cam.2.mp4", "cam.2.csv"]
    assert begun(frame(12), video) == ["cam.5.mp4"]  # its picture has changed its size
    assert begun(frame(20), video, records) == ["cam.6.mp4", "cam.6.csv"]
    assert begun(frame(30), records, video) == ["cam.8.csv", "cam.8.mp4"]


def test_other_streams_step_over_nothing_with_it(tmp_path: Path) -> None:
    (tmp_path / "a.1.mp4").write_text("before")
    claims = OutputClaims()
    one, other = (FileSeries(claims, tmp_path / f"{n}.mp4", stream=n) for n in "ab")
    shared = FileSeries(claims, tmp_path / "r.csv", companions=header_beside)
    begun(frame(0), one, other, shared)
    assert begun(frame(9), one, other, shared) == ["a.2.mp4", "b.1.mp4", "r.1.csv"]


def test_a_name_that_is_taken_between_two_outputs_is_stepped_over(tmp_path: Path) -> None:
    claims = OutputClaims()
    video, records = (
        FileSeries(claims, tmp_path / name, stream="cam") for name in ("cam.mp4", "cam.jsonl")
    )
    begun(frame(0), video, records)
    assert begun(frame(9), video) == ["cam.1.mp4"]
    (tmp_path / "cam.1.jsonl").write_text("somebody else's")
    assert begun(frame(9), records) == ["cam.2.jsonl"]
    assert begun(frame(18), video, records) == ["cam.3.mp4", "cam.3.jsonl"]


def test_a_file_is_free_only_with_its_companions(tmp_path: Path) -> None:
    (tmp_path / "r.1.csv.header.json").write_text("{}")
    series = FileSeries(OutputClaims(), tmp_path / "r.csv", companions=header_beside)
    assert written(series, 2) == ["r.csv", "r.2.csv"]


def test_no_output_lands_on_another_s_companion(tmp_path: Path) -> None:
    claims = OutputClaims()
    series = FileSeries(claims, tmp_path / "r.csv", companions=header_beside)
    written(series, 2)
    free = free_path(claims, tmp_path / "r.1.csv.header.json")
    assert free.name == "r.1.csv.header.1.json"


@pytest.mark.parametrize("link", [os.symlink, os.link])
@pytest.mark.parametrize("live", [False, True])
def test_an_input_is_known_through_links(
    tmp_path: Path, link: Callable[[Path, Path], None], live: bool
) -> None:
    source = tmp_path / "in.mp4"
    source.write_text("input")
    link(source, tmp_path / "out.mp4")
    claims = OutputClaims([source])
    with pytest.raises(ConfigError, match="is the input"):
        claims.name("--output", tmp_path / "out.mp4")
    with pytest.raises(OutputError, match="is the input"):
        FileSeries(claims, tmp_path / "out.mp4", live)
    assert source.read_text() == "input"


def test_a_companion_may_be_no_input_either(tmp_path: Path) -> None:
    claims = OutputClaims([tmp_path / "r.csv.header.json"])
    with pytest.raises(ConfigError, match=r"writes r\.csv\.header\.json beside it"):
        claims.name("--records", tmp_path / "r.csv", header_beside)


def test_a_file_that_became_another_output_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    claims = OutputClaims()
    claims.name("--json-summary", tmp_path / "x.json")
    claims.replace(tmp_path / "a.mp4").write_text("video")
    (tmp_path / "x.json").symlink_to(tmp_path / "a.mp4")
    with pytest.raises(OutputError, match="another output of this run"):
        claims.replace(tmp_path / "x.json")


def test_a_live_recording_replaces_nothing(tmp_path: Path) -> None:
    path = tmp_path / "cam.mp4"
    first = FileSeries(OutputClaims(), path, live=True)
    assert written(first, 2, WALL) == ["cam.mp4", "cam.20261128T142200Z.mp4"]
    again = FileSeries(OutputClaims(clock=noon), path, live=True)
    assert written(again, 1, WALL) == ["cam.20261128T142200Z.1.mp4"]
    assert written(again, 1) == ["cam.20261128T120000Z.mp4"]
    assert again.note is None


def test_every_segment_of_a_live_recording_carries_its_time(tmp_path: Path) -> None:
    claims = OutputClaims(segmented=True, clock=noon)
    series = FileSeries(claims, tmp_path / "cam.mp4", live=True)
    assert written(series, 2) == ["cam.20261128T120000Z.mp4", "cam.20261128T120000Z.1.mp4"]


def test_the_journal_of_a_killed_live_run_is_kept(tmp_path: Path) -> None:
    beside(tmp_path / "cam.csv", "header.json").write_text("{}")
    series = FileSeries(OutputClaims(clock=noon), tmp_path / "cam.csv", True, header_beside)
    assert series.next().name == "cam.20261128T120000Z.csv"


def test_streams_that_go_on_at_once_get_names_of_their_own(tmp_path: Path) -> None:
    claims = OutputClaims()
    threads = [
        threading.Thread(target=lambda: [free_path(claims, tmp_path / "x.png") for _ in range(25)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(tmp_path.iterdir())) == 100


@pytest.mark.parametrize("address", ["rstp://admin:hunter2@host/x.mp4", "s3://key:secret@bucket/x"])
def test_an_address_is_no_file_and_its_password_is_not_shown(address: str) -> None:
    with pytest.raises(ConfigError, match=r"--output .*: is an address; name a file") as caught:
        OutputClaims().name("--output", Path(address))
    assert "hunter2" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_what_a_failed_stream_named_is_free_again(tmp_path: Path) -> None:
    claims = OutputClaims([tmp_path / "first.mp4"])
    path = tmp_path / "talk.jsonl"

    def fail() -> None:
        with claims.taken_back_on_failure():
            claims.add_inputs([tmp_path / "talk.mp4"])
            claims.name("--records", path)
            raise OutputError("another output of it cannot be")

    with pytest.raises(OutputError):
        fail()
    claims.name("--records", path)
    claims.name("--output", tmp_path / "talk.mp4")
    with pytest.raises(ConfigError, match="is the input"):
        claims.name("--output", tmp_path / "first.mp4")
