from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from streamfer.media.sources.connection import Connection
from streamfer.media.sources.endpoint import Endpoint
from streamfer.media.sources.loss import ConnectionLost
from tests.support.clips import ClipSpec, make_clip
from tests.support.gpu import require_gpu


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A server that accepts and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def endpoint(url: str) -> Endpoint:
    return Endpoint(url=url, label="cam", variants=({},))


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_server_that_says_nothing_is_given_up(scheme: str, silent_port: int) -> None:
    with pytest.raises(ConnectionLost, match=r"no answer within 0\.2 s"):
        Connection(endpoint(f"{scheme}://u:hunter2@127.0.0.1:{silent_port}/1"), 0.2)


def test_a_closed_port_is_told_as_such() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectionLost, match="connection refused"):
        Connection(endpoint(f"rtsp://127.0.0.1:{port}/1"), 5.0)


def test_an_unknown_host_is_told_in_one_line() -> None:
    with pytest.raises(ConnectionLost) as caught:
        Connection(endpoint("rtsp://u:hunter2@host.invalid/1"), 5.0)
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "***@host.invalid" in str(caught.value.__cause__)  # tracebacks show it too


@pytest.mark.gpu
def test_pictures_decoded_by_hardware_are_the_same(tmp_path: Path) -> None:
    require_gpu("torch")
    clip = make_clip(tmp_path / "clip.mp4", ClipSpec(frames=8, size=(320, 192)))
    images = []
    for hwaccel in (None, "cuda"):
        opened = Endpoint(url=str(clip), label="clip", variants=({},), hwaccel=hwaccel)
        with Connection(opened, 5.0) as connection:
            images.append([frame.to_ndarray(format="rgb24") for frame, _ in connection.pictures()])
    assert len(images[1]) == 8
    assert np.abs(np.asarray(images[0], int) - np.asarray(images[1], int)).max() <= 2
