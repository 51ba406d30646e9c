from __future__ import annotations

import itertools
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest

from streamfer.errors import ConfigError, OutputError
from streamfer.media.files.claims import OutputClaims
from streamfer.media.files.output_file import OutputFile
from streamfer.media.records.reader import read_records
from streamfer.media.subtitles import cues
from streamfer.media.subtitles.timed_text import to_ass, to_srt, to_vtt
from streamfer.media.subtitles.timeline import read_timeline
from streamfer.media.subtitles.wording import Wording
from streamfer.media.subtitles.writer import SubtitleWriter
from streamfer.types import FaceResult, FrameResult, StreamInfo
from tests.support.timed_results import face, film
from tests.support.timelines import write_records

FORMATS = {"vtt": to_vtt, "srt": to_srt, "ass": to_ass}
TALK = StreamInfo("talk", "talk.mp4", 320, 180, live=False, frame_rate=10.0)
TALKERS = (
    (1.0, [face(1, "happy"), face(2, "sad")]),
    (2.0, [face(1, "happy"), face(2, "angry")]),
    (0.2, [face(1, "happy"), face(2, "sad")]),
    (2.0, [face(1, "neutral")]),
)
"""Scenes in which the second face's expressions end while the first's goes on."""


def writer(
    path: Path, wording: Wording | None = None, *, from_zero: bool = False
) -> SubtitleWriter:
    return SubtitleWriter(path, TALK, wording or Wording(), OutputClaims(), from_zero=from_zero)


def write_all(subtitles: SubtitleWriter, results: Iterable[FrameResult]) -> None:
    for result in results:
        subtitles.write(result)


def written(path: Path, results: Iterable[FrameResult], wording: Wording | None = None) -> str:
    with closing(writer(path, wording)) as subtitles:
        write_all(subtitles, results)
    return path.read_text("utf-8")


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_finished_file_is_what_export_makes_of_the_records(tmp_path: Path, suffix: str) -> None:
    wording = Wording("de", {1: "Anna"})
    records = write_records(
        tmp_path / "r.jsonl",
        [result.to_dict() for result in film(*TALKERS)],
        streams=[{"stream": "talk", "source": "talk.mp4", "width": 320, "height": 180}],
    )
    timeline = read_timeline(read_records(records), wording=wording)
    assert len(timeline.cues) == 4
    ours = written(tmp_path / f"talk.{suffix}", film(*TALKERS), wording)
    assert ours == FORMATS[suffix](timeline)


def test_cues_are_there_while_it_runs(tmp_path: Path) -> None:
    path = tmp_path / "talk.vtt"
    scenes: list[tuple[float, list[FaceResult]]] = [
        (1.0, [face(1, "happy")]),
        (1.0, [face(1, "sad")]),
    ]
    with closing(writer(path)) as subtitles:
        seen = []
        for result in film(*scenes):
            subtitles.write(result)
            seen.append(path.read_text().count("-->"))
    assert seen == [0] * 15 + [1] * 5  # half a second of sad
    assert path.read_text().count("-->") == 2


def test_of_whom_it_is_is_said_from_the_second_face_on(tmp_path: Path) -> None:
    scenes = [
        (1.0, [face(1, "happy")]),
        (1.0, [face(1, "sad")]),
        (1.0, [face(1, "sad"), face(2, "fear")]),
    ]
    text = written(tmp_path / "talk.srt", film(*scenes))
    lines = [line for line in text.splitlines() if "font" in line]
    assert [line.split(">")[1].split("<")[0] for line in lines] == [
        "happy",
        "Person 1: sad",
        "Person 2: afraid",
    ]


def test_parts_begin_at_zero_and_cut_what_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "talk.srt"
    with closing(writer(path)) as subtitles:
        for number, result in enumerate(film((3.0, [face(1, "happy")]))):
            if number == 20:
                subtitles.roll()
            subtitles.write(result)
    assert "00:00:00,000 --> 00:00:02,000" in path.read_text()
    assert "00:00:00,000 --> 00:00:01,000" in (tmp_path / "talk.1.srt").read_text()
    assert subtitles.paths == (path, tmp_path / "talk.1.srt")


def test_times_are_the_inputs_unless_the_video_begins_at_zero(tmp_path: Path) -> None:
    late = list(itertools.islice(film((5.0, [face(1, "happy")])), 30, None))
    assert "00:00:03,000 --> 00:00:05,000" in written(tmp_path / "a.srt", late)
    with closing(writer(tmp_path / "b.srt", from_zero=True)) as subtitles:
        for result in late:
            subtitles.write(result)
    assert "00:00:00,000 --> 00:00:02,000" in (tmp_path / "b.srt").read_text()


def test_one_expression_for_hours_holds_so_many_cues_back_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cues, "_MOST_WAITING", 3)
    path = tmp_path / "talk.srt"
    emotions = itertools.cycle(["sad", "fear"])
    scenes = [(1.0, [face(1, "neutral"), face(2, next(emotions))]) for _ in range(10)]
    with closing(writer(path)) as subtitles:
        write_all(subtitles, film(*scenes))
        assert path.read_text().count("-->") == 6
    assert path.read_text().count("-->") == 11


def test_a_full_disk_ends_the_file_with_its_last_whole_cue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "talk.srt"
    subtitles = writer(path)
    results = film((1.0, [face(1, "happy")]), (1.0, [face(1, "sad")]), (1.0, [face(1, "happy")]))
    for result in itertools.islice(results, 16):
        subtitles.write(result)
    whole = path.read_text()
    assert whole.count("-->") == 1
    write = OutputFile.write

    def full(file: OutputFile, chunk: bytes) -> int:
        write(file, chunk[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(OutputFile, "write", full)
    with pytest.raises(OutputError, match=r"talk\.srt: cannot write the subtitles \(No space left"):
        write_all(subtitles, results)
    subtitles.close()
    assert path.read_text() == whole
    assert subtitles.paths == ()


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("talk.txt", ConfigError, r"are written as \.vtt, \.srt, \.ass"),
        ("none/talk.vtt", OutputError, "make the folder"),
    ],
)
def test_what_cannot_be_is_one_line(
    tmp_path: Path, name: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        writer(tmp_path / name)
