from __future__ import annotations

import os
from pathlib import Path

import pytest

from streamfer.app.config import RunConfig
from streamfer.app.session.sources import LiveReports, open_streams
from streamfer.media.sources.file import FileSource
from streamfer.media.sources.source_list import expand_sources


@pytest.mark.parametrize("output", [None, Path("out.mp4")])
def test_the_sound_of_a_pipe_is_kept_for_an_annotated_video(
    tmp_path: Path, output: Path | None
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    (stream,) = open_streams(expand_sources([str(fifo)]), RunConfig(output=output), LiveReports())
    assert isinstance(stream.source, FileSource)
    assert (stream.source.sound is not None) == (output is not None)
