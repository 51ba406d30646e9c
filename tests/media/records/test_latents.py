from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from streamfer.errors import ConfigError, OutputError
from streamfer.media.records.latents import (
    LatentWriter,
    complete_latents,
    latents_journal_path,
    read_kept_latents,
)
from streamfer.types import FloatArray, FrameResult
from tests.support.analysed import make_face, make_frame, make_result
from tests.support.unwritable import TROUBLES, make_unwritable


def latent(seed: int) -> FloatArray:
    return np.random.default_rng(seed).standard_normal((10, 512)).astype(np.float32)


def with_latents(index: int, stream: str = "talk") -> FrameResult:
    faces = (make_face(1, latent=latent(index), latent_kind="encoder"), make_face(2))
    return FrameResult(make_frame(index, stream=stream), faces)


def test_every_latent_comes_back_with_stream_track_and_time(tmp_path: Path) -> None:
    path = tmp_path / "latents.parquet"
    with closing(LatentWriter(path)) as latents:
        latents.write(make_result(0, faces=2))
        for index in (3, 4):
            latents.write(with_latents(index, stream=f"s{index}"))
    table = pq.read_table(path)
    assert table.column_names == ["stream", "track", "frame", "time_s", "latent"]
    assert table["stream"].to_pylist() == ["s3", "s4"]
    assert table["track"].to_pylist() == [1, 1]
    assert table["frame"].to_pylist() == [3, 4]
    assert table["time_s"].to_pylist() == [0.12, 0.16]
    for row, index in enumerate((3, 4)):
        np.testing.assert_array_equal(
            np.array(table["latent"][row].as_py(), np.float32).reshape(10, 512), latent(index)
        )
    metadata = table.schema.metadata
    assert (metadata[b"num_ws"], metadata[b"w_dim"]) == (b"10", b"512")
    assert not latents_journal_path(path).exists()


def test_a_run_without_latents_leaves_an_empty_table(tmp_path: Path) -> None:
    path = tmp_path / "latents.parquet"
    with closing(LatentWriter(path)) as latents:
        latents.write(make_result(0))
    assert pq.read_table(path).num_rows == 0


def test_codes_of_another_generator_are_not_added_to_an_earlier_run_s(tmp_path: Path) -> None:
    path = tmp_path / "latents.parquet"
    with closing(LatentWriter(path)) as latents:
        latents.write(with_latents(0))
    kept = read_kept_latents(path)
    assert kept is not None
    other = FrameResult(make_frame(0), (make_face(1, latent=latent(0)[:, :8]),))
    with closing(LatentWriter(path)) as latents:
        latents.restore(kept)
        with pytest.raises(OutputError, match=r"codes of \(10, 512\).* are of \(10, 8\)"):
            latents.write(other)
    assert len(pq.read_table(path)) == 1


def test_a_killed_run_can_be_completed(tmp_path: Path) -> None:
    path = tmp_path / "latents.parquet"
    program = f"""
import os, signal
from pathlib import Path
from streamfer.media.records.latents import LatentWriter
from tests.media.records.test_latents import with_latents
latents = LatentWriter(Path({str(path)!r}))
for index in range(20):
    latents.write(with_latents(index))
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    journal = latents_journal_path(path)
    journal.write_bytes(journal.read_bytes()[:-100])  # as if torn in the middle of a write
    assert complete_latents(path)
    assert not complete_latents(path)
    assert pq.read_table(path)["frame"].to_pylist() == list(range(19))


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_path_that_cannot_be_written_is_one_line(tmp_path: Path, trouble: str) -> None:
    path = tmp_path / "out" / "latents.parquet"
    make_unwritable(path, trouble)
    with pytest.raises(OutputError) as caught:
        write_and_close(path)
    assert str(caught.value).startswith(f"{path}: cannot write the latents (")
    assert "\n" not in str(caught.value)


def write_and_close(path: Path) -> None:
    with closing(LatentWriter(path)) as latents:
        latents.write(with_latents(0))


def test_other_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\.parquet"):
        LatentWriter(tmp_path / "latents.npz")


def killed_run(path: Path) -> Path:
    """The journal of a run of twenty frames, with which it was killed."""
    writer = LatentWriter(path)
    for index in range(20):
        writer.write(with_latents(index))
    journal = latents_journal_path(path)
    content = journal.read_bytes()
    writer.close()
    path.unlink()
    journal.write_bytes(content)
    return journal


@pytest.mark.parametrize("at", [0, 0.1, 0.5])
def test_a_damaged_journal_is_refused_and_stays(tmp_path: Path, at: float) -> None:
    path = tmp_path / "latents.parquet"
    journal = killed_run(path)
    content = bytearray(journal.read_bytes())
    place = content.find(b"\xff\xff\xff\xff", int(at * len(content)))
    content[place : place + 8] = b"damaged!"
    journal.write_bytes(content)
    with pytest.raises(ValueError, match="at byte"):
        complete_latents(path)
    assert journal.read_bytes() == bytes(content)
    assert not path.exists()


def test_what_is_no_journal_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "latents.parquet"
    journal = latents_journal_path(path)
    journal.write_bytes(np.random.default_rng(0).bytes(2000))
    with pytest.raises(ValueError, match="at byte 0"):
        complete_latents(path)
    assert journal.exists()


@pytest.mark.parametrize("tail", [b"", b"\xff\xff", bytes(500)])
def test_what_a_power_cut_leaves_at_the_end_is_passed_over(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "latents.parquet"
    journal = killed_run(path)
    journal.write_bytes(journal.read_bytes() + tail)
    assert complete_latents(path)
    assert pq.read_table(path).num_rows == 20


def test_an_empty_journal_gives_an_empty_table(tmp_path: Path) -> None:
    path = tmp_path / "latents.parquet"
    latents_journal_path(path).touch()
    assert complete_latents(path)
    assert pq.read_table(path).num_rows == 0
