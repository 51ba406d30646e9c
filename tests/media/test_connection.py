from __future__ import annotations

import socket
from collections.abc import Iterator

import av
import pytest

from streamfer.media.connection import Connection, ConnectionLost, LossKind, open_failure
from streamfer.media.endpoint import Endpoint


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A server that accepts and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def endpoint(url: str) -> Endpoint:
    return Endpoint(url=url, label="cam", variants=({},))


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        (av.error.HTTPUnauthorizedError(1, "x"), LossKind.REFUSED, "user name and password"),
        (av.error.HTTPForbiddenError(1, "x"), LossKind.REFUSED, "403"),
        (av.error.HTTPNotFoundError(1, "x"), LossKind.NETWORK, "404"),
        (av.error.ProtocolNotFoundError(1, "x"), LossKind.UNSUPPORTED, "FFmpeg"),
        (av.error.ConnectionRefusedError(1, "x"), LossKind.NETWORK, "connection refused"),
        (av.error.InvalidDataError(1, "x"), LossKind.NETWORK, "not a video stream"),
        (av.error.OSError(5, "x"), LossKind.NETWORK, "host name unknown"),
        (av.error.OSError(9, "at rtsp://u:hunter2@cam"), LossKind.NETWORK, r"\*\*\*@cam"),
        (ValueError("no codec"), LossKind.NETWORK, "no codec"),
    ],
)
def test_failures_are_told_apart(error: Exception, kind: LossKind, reason: str) -> None:
    failure = open_failure(error, timed_out_s=None, secure=False)
    assert failure.kind is kind
    with pytest.raises(ConnectionLost, match=reason):
        raise failure


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
