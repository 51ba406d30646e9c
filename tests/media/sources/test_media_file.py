from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition

from streamfer.errors import SourceError
from streamfer.media.sources.media_file import open_media_file, video_stream
from streamfer.media.sources.named_file import missing_file_message


def write_streams(path: Path, sizes: list[int], dispositions: dict[int, Disposition]) -> Path:
    """Square MJPEG streams of one frame each; those not named have no disposition."""
    with av.open(str(path), "w") as output:
        streams = []
        for index, size in enumerate(sizes):
            stream = output.add_stream("mjpeg", rate=Fraction(25))
            stream.width = stream.height = size
            stream.pix_fmt = "yuvj420p"
            stream.disposition = dispositions.get(index, Disposition(0))
            streams.append(stream)
        for stream, size in zip(streams, sizes, strict=True):
            image = np.zeros((size, size, 3), np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
            output.mux(stream.encode(None))
    return path


def chosen_size(path: Path) -> Any:
    with open_media_file(path) as container:
        return video_stream(container, path).codec_context.width


@pytest.mark.parametrize(
    ("default", "size"), [(None, 64), (0, 32), (2, 48)], ids=["largest", "default", "other default"]
)
def test_the_default_or_else_the_largest_video_is_used(
    default: int | None, size: int, tmp_path: Path
) -> None:
    dispositions = {} if default is None else {default: Disposition.default}
    path = write_streams(tmp_path / "many.mkv", [32, 64, 48], dispositions)
    assert chosen_size(path) == size


def test_cover_pictures_are_no_video(tmp_path: Path) -> None:
    cover = {0: Disposition.attached_pic}
    both = write_streams(tmp_path / "video.mp4", [64, 32], cover)
    assert chosen_size(both) == 32
    with pytest.raises(SourceError, match="it has no video"):
        chosen_size(write_streams(tmp_path / "song.mp4", [64], cover))


@pytest.mark.parametrize("content", [None, b"", b"#EXTM3U", b"no video"])
def test_no_error_shows_the_credentials_of_an_address_without_scheme(
    content: bytes | None, tmp_path: Path
) -> None:
    (tmp_path / "joe:hunter2@cam").mkdir()
    path = tmp_path / "joe:hunter2@cam" / "video.mjpg?pwd=hunter2"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError, match=r"cannot open .*\*\*\*@cam/video.mjpg") as caught:
        open_media_file(path)
    assert "hunter2" not in str(caught.value)


def test_a_terminal_is_refused_in_words() -> None:
    master, terminal = os.openpty()
    try:
        with pytest.raises(SourceError, match="it is a terminal or another device; name a file"):
            open_media_file(Path(os.ttyname(terminal)))
    finally:
        os.close(master)
        os.close(terminal)


def test_missing_file_in_a_folder_without_a_similar_one(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    message = missing_file_message(tmp_path / "talk.mp4")
    assert message.endswith("talk.mp4: no such file")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "secret.mp4"
    path.touch(mode=0)
    with pytest.raises(SourceError, match="Permission denied"):
        open_media_file(path)


def test_a_local_playlist_is_refused_on_purpose_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "list.m3u8"
    path.write_text("#EXTM3U\n#EXTINF:1,\nother.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(SourceError, match="it is a playlist, which could name any file"):
        open_media_file(path)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="has no such devices")
@pytest.mark.parametrize("device", ["/dev/ptmx", "/dev/zero", "/dev/null"])
def test_a_device_is_refused_unopened(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "open", lambda *_: pytest.fail("opened"))
    with pytest.raises(SourceError, match=f"{device}: it is a terminal or another device"):
        open_media_file(Path(device))


def test_a_name_too_long_for_the_file_system_is_just_missing(tmp_path: Path) -> None:
    assert "no such file" in missing_file_message(tmp_path / ("a" * 300))
    assert "there is no directory" in missing_file_message(tmp_path / ("a" * 300) / "b.mp4")
