from __future__ import annotations

import socket
from pathlib import Path

import pytest

from streamfer.app.cli.download import download
from streamfer.errors import EngineError
from tests.support.http_files import Served, serve

CONTENT = bytes(range(256)) * 4000


class Told:
    def __init__(self) -> None:
        self.reports: list[tuple[int, int | None]] = []

    def __call__(self, have: int, total: int | None) -> None:
        self.reports.append((have, total))


def test_a_file_comes_whole_and_its_progress_is_told(tmp_path: Path) -> None:
    told = Told()
    with serve(Served(CONTENT)) as served:
        download(served.url, tmp_path / "a.part", told)
    assert (tmp_path / "a.part").read_bytes() == CONTENT
    assert told.reports[0] == (0, len(CONTENT))
    assert told.reports[-1] == (len(CONTENT), len(CONTENT))


def test_a_cut_download_goes_on_where_it_stopped(tmp_path: Path) -> None:
    part = tmp_path / "a.part"
    with serve(Served(CONTENT, cut_after=300_000)) as served:
        with pytest.raises(EngineError, match="goes on where this stopped"):
            download(served.url, part, Told())
        assert part.stat().st_size == 300_000
        served.cut_after = None
        download(served.url, part, Told())
        assert served.asked == [None, "bytes=300000-"]
    assert part.read_bytes() == CONTENT


def test_a_server_without_ranges_starts_anew(tmp_path: Path) -> None:
    part = tmp_path / "a.part"
    part.write_bytes(b"old beginning")
    with serve(Served(CONTENT, ranges=False)) as served:
        download(served.url, part, Told())
    assert part.read_bytes() == CONTENT


def test_a_part_that_is_already_whole_is_kept(tmp_path: Path) -> None:
    part = tmp_path / "a.part"
    part.write_bytes(CONTENT)
    with serve(Served(CONTENT)) as served:
        download(served.url, part, Told())
    assert part.read_bytes() == CONTENT


@pytest.mark.parametrize("length", ["abc", "-5", "9" * 5000, "1 0"])
def test_a_length_that_is_none_is_not_known(tmp_path: Path, length: str) -> None:
    told = Told()
    with serve(Served(CONTENT, length=length)) as served:
        download(served.url, tmp_path / "a.part", told)
    assert (tmp_path / "a.part").read_bytes() == CONTENT
    assert told.reports[-1] == (len(CONTENT), None)


def test_a_refusal_is_named(tmp_path: Path) -> None:
    with (
        serve(Served(CONTENT, status=404)) as served,
        pytest.raises(EngineError, match="the server answers 404 Not Found"),
    ):
        download(served.url, tmp_path / "a.part", Told())


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/a.pth"
        with pytest.raises(EngineError, match="refused"):
            download(url, tmp_path / "a.part", Told())


def test_a_silent_server_is_given_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/a.pth"
        with pytest.raises(EngineError, match="timed out"):
            download(url, tmp_path / "a.part", Told(), timeout_s=0.1)


def test_an_unwritable_place_is_named(tmp_path: Path) -> None:
    with (
        serve(Served(CONTENT)) as served,
        pytest.raises(EngineError, match="cannot write it: No such file"),
    ):
        download(served.url, tmp_path / "absent" / "a.part", Told())
