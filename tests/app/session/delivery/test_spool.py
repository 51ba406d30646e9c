from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from streamfer.app.session.delivery.spool import Spool
from streamfer.errors import OutputError


def bodies(spool: Spool) -> list[str]:
    found = []
    while (waiting := spool.first()) is not None:
        found.append(waiting.body)
        spool.remove(waiting.number)
    return found


def test_what_was_not_delivered_is_there_in_the_next_run(tmp_path: Path) -> None:
    with closing(Spool(tmp_path, "http://a/")) as spool:
        for body in ("one", "two", "three"):
            spool.put(body)
        first = spool.first()
        assert first is not None
        spool.remove(first.number)
    with closing(Spool(tmp_path, "http://b/")) as other:
        assert len(other) == 0
    with closing(Spool(tmp_path, "http://a/")) as again:
        assert len(again) == 2
        assert bodies(again) == ["two", "three"]


def test_two_runs_at_once_have_a_queue_each(tmp_path: Path) -> None:
    with closing(Spool(tmp_path, "http://a/")) as one, closing(Spool(tmp_path, "http://a/")) as two:
        one.put("of one")
        two.put("of two")
        assert bodies(one) == ["of one"]
        assert bodies(two) == ["of two"]


def test_a_full_queue_loses_its_oldest(tmp_path: Path) -> None:
    with closing(Spool(tmp_path, "http://a/", most=3)) as spool:
        for number in range(5):
            spool.put(str(number))
        assert spool.dropped == 2
        assert len(spool) == 3
        assert bodies(spool) == ["2", "3", "4"]


def test_neither_address_nor_password_stands_on_disk(tmp_path: Path) -> None:
    with closing(Spool(tmp_path, "http://me:hunter2@host/")) as spool:
        spool.put("x")
        for path in tmp_path.iterdir():
            assert "host" not in path.name
            assert b"hunter2" not in path.read_bytes()


def test_a_place_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be opened"):
        Spool(tmp_path / "file" / "folder", "http://a/")
