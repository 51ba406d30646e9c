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


def test_what_each_of_two_runs_left_is_there_in_the_next_once(tmp_path: Path) -> None:
    with closing(Spool(tmp_path, "http://a/")) as one, closing(Spool(tmp_path, "http://a/")) as two:
        one.put("of one")
        two.put("of two")
        two.put("of two, too")
    with closing(Spool(tmp_path, "http://a/")) as later, closing(Spool(tmp_path, "http://a/")) as b:
        assert (len(later), len(b)) == (3, 0)
        later.put("of later")
        assert bodies(later) == ["of one", "of two", "of two, too", "of later"]


def test_what_a_run_that_goes_on_holds_is_its_own(tmp_path: Path) -> None:
    first, second = Spool(tmp_path, "http://a/"), Spool(tmp_path, "http://a/")
    second.put("of second")
    first.close()
    with closing(Spool(tmp_path, "http://a/")) as third:
        assert len(third) == 0
    assert bodies(second) == ["of second"]
    second.close()


def test_of_what_several_runs_left_the_oldest_go_where_it_is_too_much(tmp_path: Path) -> None:
    with closing(Spool(tmp_path, "http://a/")) as one, closing(Spool(tmp_path, "http://a/")) as two:
        for spool in (one, two):
            spool.put("old")
            spool.put("new")
    with closing(Spool(tmp_path, "http://a/", most=2)) as later:
        assert (len(later), later.dropped) == (2, 2)
        assert bodies(later) == ["old", "new"]


def test_a_damaged_queue_of_another_run_is_said_and_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(Spool(tmp_path, "http://a/")), closing(Spool(tmp_path, "http://a/")):
        pass
    (damaged,) = tmp_path.glob("*.1.sqlite")
    damaged.write_bytes(b"no database" * 1000)
    with closing(Spool(tmp_path, "http://a/")) as later:
        later.put("x")
        assert bodies(later) == ["x"]
    assert [record.message for record in caplog.records] == [
        f"{damaged}: is passed over (file is not a database)"
    ]
    assert damaged.read_bytes()[:11] == b"no database"


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
