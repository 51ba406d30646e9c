from __future__ import annotations

import json
from pathlib import Path

import pytest

from streamfer.media.records.reader import read_records
from tests.support.program import streamfer
from tests.support.timelines import HEADER, frame, write_records

Capture = pytest.CaptureFixture[str]
FRAMES = [frame(index, [(1, "happy"), (2, "sad")]) for index in range(50)]
OPENED = {"stream": "talk", "event": "opened", "time_s": 0.0}


@pytest.fixture
def records(tmp_path: Path) -> Path:
    return write_records(tmp_path / "r.jsonl", [OPENED, *FRAMES])


@pytest.mark.parametrize("to", ["vtt", "srt", "ass", "eaf", "textgrid", "edl"])
def test_a_timeline_is_written_in_the_language_with_the_names(
    capfd: Capture, tmp_path: Path, records: Path, to: str
) -> None:
    out = tmp_path / "new" / f"talk.{to}"
    ended = streamfer(
        capfd, "export", records, "--to", to, "--out", out, "--language", "de", "--name", "2=Ben"
    )
    assert ended.code == 0
    assert ended.out.strip() == f"wrote {out}: 2 cues of 2 tracks"
    text = out.read_text("utf-8")
    assert "Freude" in text
    assert "Ben" in text
    assert "\nerror" not in ended.err


@pytest.mark.parametrize("to", ["csv", "parquet"])
def test_a_table_holds_the_records_as_they_are(
    capfd: Capture, tmp_path: Path, records: Path, to: str
) -> None:
    out = tmp_path / f"talk.{to}"
    assert streamfer(capfd, "export", records, "--to", to, "--out", out).code == 0
    before, after = read_records(records), read_records(out)
    assert after.header == before.header
    assert after.events == before.events == [OPENED]
    for one, other in zip(before.frames, after.frames, strict=True):
        assert one["time_s"] == other["time_s"]
        for a, b in zip(one["faces"], other["faces"], strict=True):
            assert a == {name: value for name, value in b.items() if value is not None}


def test_segments_are_read_in_their_order(capfd: Capture, tmp_path: Path) -> None:
    first = write_records(tmp_path / "r.jsonl", FRAMES[:25])
    second = write_records(tmp_path / "r.1.jsonl", FRAMES[25:])
    out = tmp_path / "r.srt"
    for arguments in ([first, "--segments"], [first, second]):
        assert streamfer(capfd, "export", *arguments, "--to", "srt", "--out", out).code == 0
        assert "00:00:00,000 --> 00:00:02,000" in out.read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["--to", "srt", "--out", "{r}"], 2, "is the input"),
        (["--to", "srt", "--out", "talk.mp4"], 2, "is the input"),
        (["--to", "csv", "--out", "x.txt"], 2, "the name must end in .csv"),
        (["--to", "csv", "--out", "x.csv", "--name", "1=A"], 2, "--stream, --name don't apply"),
        (
            ["--to", "srt", "--out", "x.srt", "--name", "Anna"],
            2,
            "write TRACK=NAME, such as 1=Anna",
        ),
        (["--to", "srt", "--out", "x.srt", "--name", "1=a\nb"], 2, "write TRACK=NAME"),
        (["--to", "srt", "--out", "x.srt", "--stream", "cam"], 2, "none is called 'cam'"),
        (["--to", "mp3", "--out", "x.mp3"], 2, "--to"),
        (["--to", "srt", "--out", "x.srt", "--language", "la"], 2, "--language"),
        (["--to", "srt", "--out", "{folder}"], 4, "is a folder; name a file"),
        (["--to", "srt", "--out", "{r}/x.srt"], 4, "cannot make its folder"),
        (["--to", "srt", "--out", "/dev/full"], 4, "No space left"),
        (["--to", "csv", "--out", "{full}"], 4, "No space left"),
    ],
)
def test_a_mistake_is_one_line(
    capfd: Capture,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    records: Path,
    arguments: list[str],
    code: int,
    complaint: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    full = tmp_path / "full.csv"
    full.symlink_to("/dev/full")
    (tmp_path / "talk.mp4").write_bytes(b"what was analysed")
    before = records.read_bytes()
    places = {"{r}": str(records), "{folder}": str(tmp_path), "{full}": str(full)}
    for placeholder, path in places.items():
        arguments = [argument.replace(placeholder, path) for argument in arguments]
    ended = streamfer(capfd, "export", records, *arguments)
    assert ended.code == code
    assert complaint in ended.complaint
    assert records.read_bytes() == before
    assert (tmp_path / "talk.mp4").read_bytes() == b"what was analysed"


def test_a_table_is_not_written_beside_a_journal_that_would_be_read_instead(
    capfd: Capture, tmp_path: Path, records: Path
) -> None:
    journal = tmp_path / "k.parquet.journal.jsonl"
    journal.write_text("".join(records.read_text().splitlines(keepends=True)[:2]))
    ended = streamfer(capfd, "export", records, "--to", "parquet", "--out", tmp_path / "k.parquet")
    assert ended.code == 2
    assert "streamfer complete" in ended.complaint
    assert not (tmp_path / "k.parquet").exists()
    ended = streamfer(
        capfd, "export", tmp_path / "k.parquet", "--to", "parquet", "--out", tmp_path / "l.parquet"
    )
    assert ended.code == 0
    assert journal.exists()


@pytest.mark.parametrize(
    "content",
    [None, "", json.dumps(HEADER) + "\nnot json\n", json.dumps(HEADER) + "\n" + "[" * 99999 + "\n"],
)
def test_records_that_cannot_be_read_are_one_line(
    capfd: Capture, tmp_path: Path, content: str | None
) -> None:
    records = tmp_path / "r.jsonl"
    if content is not None:
        records.write_text(content)
    for to in ("csv", "srt"):
        ended = streamfer(capfd, "export", records, "--to", to, "--out", tmp_path / f"x.{to}")
        assert ended.code == 3
        assert f"{records}: cannot read the records (" in ended.complaint


def test_of_several_streams_a_timeline_takes_one(capfd: Capture, tmp_path: Path) -> None:
    (talk,) = HEADER["streams"]
    both = [talk, talk | {"stream": "cam"}]  # type: ignore[operator]
    records = write_records(tmp_path / "r.jsonl", FRAMES, streams=both)
    out = tmp_path / "x.srt"
    ended = streamfer(capfd, "export", records, "--to", "srt", "--out", out)
    assert ended.code == 2
    assert "talk, cam; name one with --stream" in ended.complaint
    assert not out.exists()
    ended = streamfer(capfd, "export", records, "--to", "srt", "--out", out, "--stream", "talk")
    assert ended.code == 0
