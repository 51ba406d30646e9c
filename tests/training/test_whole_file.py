"""What stood at a path stays until something whole takes its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamfer.errors import OutputError
from streamfer.training.whole_file import whole_file, write_whole


def _stopped(path: Path) -> None:
    with whole_file(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt


def test_a_stopped_writer_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_whole(path, "whole\n")
    with pytest.raises(KeyboardInterrupt):
        _stopped(path)
    assert path.read_text() == "whole\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "shared").write_text("old")
    (tmp_path / "link").symlink_to("shared")
    write_whole(tmp_path / "link", "new")
    assert (tmp_path / "shared").read_text() == "new"
    assert (tmp_path / "link").is_symlink()


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match=f"{tmp_path / 'folder'}: cannot write: "):
        write_whole(tmp_path / "folder", "text")
    with pytest.raises(OutputError, match=f"{tmp_path / 'file'}: cannot make the folder: "):
        write_whole(tmp_path / "file" / "a", "text")


def test_the_folder_is_made(tmp_path: Path) -> None:
    """What took hours to compute is not lost for want of one."""
    write_whole(tmp_path / "runs" / "tables" / "a", "text")
    assert (tmp_path / "runs" / "tables" / "a").read_text() == "text"


def test_a_link_to_what_is_not_there_yet_stays_one(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("new")
    write_whole(tmp_path / "link", "whole\n")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "new").read_text() == "whole\n"
