from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from streamfer.errors import SourceError
from streamfer.media.records.reader import read_records
from streamfer.media.records.writer import open_records
from tests.support.analysed import make_result
from tests.support.record_files import header


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace("\n", "\r") + "\n",
        lambda text: text.replace("talk,1,", '"talk,1,' + "x" * 140_000),
    ],
    ids=["line ends of an old Mac", "a quote that nobody closes"],
)
def test_what_is_no_csv_is_said_in_one_line(tmp_path: Path, damage: Callable[[str], str]) -> None:
    path = tmp_path / "r.csv"
    with closing(open_records(path, header())) as writer:
        for index in range(3):
            writer.write(make_result(index))
    path.write_text(damage(path.read_text()))
    with pytest.raises(SourceError, match=r"r\.csv: cannot read the records \(it is no CSV") as e:
        list(read_records(path).frames)
    assert "\n" not in str(e.value)
