"""Folders that may not be looked into: an error in words, for sources and for outputs."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamfer.errors import OutputError, SourceError
from streamfer.media.files.output_path import check_folder
from streamfer.media.sources.media_file import open_media_file
from streamfer.media.sources.source_list import expand_sources
from streamfer.media.video.picture_file import is_still

_NOBODY = 65534


@pytest.fixture
def closed() -> Iterator[Path]:
    """A folder that this process may not look into."""
    with tempfile.TemporaryDirectory() as folder:  # not in one that only its owner may enter
        os.chmod(folder, 0o711)
        closed = Path(folder, "closed")
        closed.mkdir()
        (closed / "talk.mp4").touch()
        closed.chmod(0)
        is_root = os.geteuid() == 0
        if is_root:
            os.seteuid(_NOBODY)
        try:
            yield closed
        finally:
            if is_root:
                os.seteuid(0)
            closed.chmod(0o700)


@pytest.mark.parametrize("name", ["talk.mp4", "sub/talk.mp4"])
def test_a_source_in_a_closed_folder_is_refused(name: str, closed: Path) -> None:
    with pytest.raises(SourceError, match=r"cannot open .*talk\.mp4: Permission denied"):
        expand_sources([str(closed / name)])
    assert len(expand_sources([str(closed / name), "demo:"])) == 2
    with pytest.raises(SourceError, match="Permission denied"):
        open_media_file(closed / name)
    assert is_still(closed / name) is None


def test_an_output_in_a_closed_folder_is_no_bug(closed: Path) -> None:
    check_folder(closed / "talk.jsonl", "records")  # what opens it says the rest
    with pytest.raises(OutputError, match="make the folder"):
        check_folder(closed / "sub" / "talk.jsonl", "records")
