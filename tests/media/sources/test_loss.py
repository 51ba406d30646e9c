from __future__ import annotations

import av
import pytest

from streamfer.media.sources.loss import ConnectionLost, LossKind, network_failure


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
    failure = network_failure(error, None)
    assert failure.kind is kind
    with pytest.raises(ConnectionLost, match=reason):
        raise failure


def test_a_time_out_is_told_as_such_whatever_ffmpeg_calls_it() -> None:
    assert str(network_failure(av.error.InvalidDataError(1, "x"), 5.0)) == "no answer within 5 s"
