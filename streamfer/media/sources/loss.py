"""Why there is no connection to a live stream, in words for people."""

from __future__ import annotations

import errno
from enum import Enum

import av

from streamfer.media.redact import redact_error, redact_text

STREAM_FAULTS = (av.error.FFmpegError, ValueError, RuntimeError, IndexError)
"""What PyAV raises over streams that are not as it expects."""


class LossKind(Enum):
    """Why there is no connection, as far as the next step depends on it."""

    NETWORK = "network"
    SILENCE = "silence"
    """It was open, and then said nothing."""
    REFUSED = "refused"
    """User name and password are wrong or missing."""
    ABSENT = "absent"
    """A device of this machine is not there or not to be had: it is waited for only if it was."""
    UNSUPPORTED = "unsupported"
    """Trying again cannot help."""


class ConnectionLost(Exception):
    """A stream cannot be opened, or ended. Its text is one line without credentials."""

    def __init__(self, reason: str, kind: LossKind = LossKind.NETWORK) -> None:
        super().__init__(reason)
        self.kind = kind


def network_failure(error: Exception, timed_out_s: float | None) -> ConnectionLost:
    """Says in one line why a network stream could not be opened.

    Args:
        error: what PyAV raised.
        timed_out_s: the time-out that ran out, in seconds; None where none did.
    """
    if isinstance(error, av.error.HTTPUnauthorizedError):
        reason = "the server refuses the user name and password (401)"
        return ConnectionLost(reason, LossKind.REFUSED)
    if isinstance(error, av.error.HTTPForbiddenError):
        return ConnectionLost("the server forbids access (403)", LossKind.REFUSED)
    if isinstance(error, av.error.HTTPNotFoundError):
        return ConnectionLost("the server has no such stream (404)")
    if isinstance(error, av.error.ProtocolNotFoundError):
        reason = "the installed FFmpeg cannot read this kind of address"
        return ConnectionLost(reason, LossKind.UNSUPPORTED)
    if timed_out_s is not None:
        return ConnectionLost(f"no answer within {timed_out_s:g} s")
    if isinstance(error, av.error.ConnectionRefusedError):
        return ConnectionLost("connection refused: nothing listens at this address")
    if isinstance(error, av.error.InvalidDataError):
        return ConnectionLost("the server's answer is not a video stream")
    reason = redact_text(getattr(error, "strerror", None) or str(error))
    if getattr(error, "errno", None) == errno.EIO:  # all that FFmpeg says of DNS and TLS
        reason = "host name unknown, or certificate not trusted"
    return ConnectionLost(f"cannot be reached: {reason}")


def odd_stream(error: Exception) -> ConnectionLost:
    """Says in one line that a stream is not as it should be.

    Args:
        error: one of `STREAM_FAULTS`, whose credentials are taken out.
    """
    redact_error(error)
    lines = redact_text(getattr(error, "strerror", None) or str(error)).splitlines()
    return ConnectionLost(f"the stream cannot be read: {lines[0] if lines else 'it is odd'}")
