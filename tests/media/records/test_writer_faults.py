from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from streamfer.errors import ConfigError, OutputError, SourceError
from streamfer.media.records.parquet import complete_journal
from streamfer.media.records.reader import read_records
from streamfer.media.records.writer import open_records
from streamfer.types import StreamEvent
from tests.support.analysed import make_result
from tests.support.record_files import FORMATS, header
from tests.support.unwritable import TROUBLES, make_unwritable

WRITE_UNTIL_KILLED = """
import os, signal
from pathlib import Path
from streamfer.media.records.writer import open_records
from tests.support.record_files import header
from tests.support.analysed import make_result
records = open_records(Path({path!r}), header())
for index in range(100):
    records.write(make_result(index, faces=index % 3))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_killed_run_leaves_every_record(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"talk{suffix}"
    program = WRITE_UNTIL_KILLED.format(path=str(path))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    before = read_records(path)
    frames = list(before.frames)
    assert [frame["frame"] for frame in frames] == list(range(100))
    if suffix == ".parquet":
        assert complete_journal(path)
        assert not complete_journal(path)
        assert pq.read_table(path)["frame"].to_pylist()[-1] == 99
        assert read_records(path).header == before.header
        assert read_records(path).frames == frames


@pytest.mark.parametrize("suffix", FORMATS)
def test_an_existing_file_is_replaced_with_all_that_belongs_to_it(
    tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"talk{suffix}"
    for events in (1, 0):
        with closing(open_records(path, header())) as records:
            for _ in range(events):
                records.event(StreamEvent("talk", "error", 1.0))
    assert read_records(path).events == []


@pytest.mark.parametrize("name", ["talk.json", "talk", "talk.mp4"])
def test_an_unknown_format_is_refused_with_the_known_ones(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"\.jsonl, \.csv, \.parquet"):
        open_records(tmp_path / name, header())


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_path_that_cannot_be_written_is_one_line(
    tmp_path: Path, suffix: str, trouble: str
) -> None:
    path = tmp_path / "out" / f"talk{suffix}"
    make_unwritable(path, trouble)
    with pytest.raises(OutputError) as caught:
        write_and_close(path)
    assert str(caught.value).startswith(f"{path}: cannot write the records (")
    assert "\n" not in str(caught.value)


def write_and_close(path: Path) -> None:
    with closing(open_records(path, header())) as records:
        records.write(make_result(0))


def test_a_disk_that_fills_up_leaves_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    program = f"""
import resource, signal
from pathlib import Path
from streamfer.errors import OutputError
from streamfer.media.records.writer import open_records
from tests.support.record_files import header
from tests.support.analysed import make_result
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
records = open_records(Path({str(path)!r}), header())
try:
    for index in range(1000):
        records.write(make_result(index))
except OutputError as error:
    records.close()
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.decode().strip() == f"{path}: cannot write the records (File too large)"
    assert path.read_text().endswith("\n")
    frames = read_records(path).frames
    assert len(frames) > 20
    assert [frame["frame"] for frame in frames] == list(range(len(frames)))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("talk.jsonl", ""),
        ("talk.jsonl", "not json\n"),
        ("talk.jsonl", '{"schema":"streamfer.records/1"}\n[1]\n'),
        ("talk.jsonl", '{"frame":1}\n'),
        ("talk.jsonl", "\xff\xfe\n"),
        ("talk.csv", "a,b\n1,2\n"),
        ("talk.parquet", "PAR1"),
        ("talk.jsonl", None),
    ],
)
def test_what_is_no_records_file_is_one_line(tmp_path: Path, name: str, text: str | None) -> None:
    path = tmp_path / name
    if text is not None:
        path.write_text(text, "latin-1")
    with pytest.raises(SourceError) as caught:
        list(read_records(path).frames)
    assert str(caught.value).startswith(str(path))  # or what should be beside it
    assert ": cannot read the records (" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unfinished_last_line_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    with closing(open_records(path, header())) as records:
        records.write(make_result(0))
    with path.open("a") as file:
        file.write('{"stream":"ta')
    assert [frame["frame"] for frame in read_records(path).frames] == [0]


def test_writing_after_the_end_is_ignored_and_closing_twice_is_fine(tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    records = open_records(path, header())
    records.close()
    records.write(make_result(0))
    records.close()
    assert read_records(path).frames == []
