"""Downloads a file over HTTPS, going on where an earlier try stopped."""

from __future__ import annotations

import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any

from streamfer.errors import EngineError

_CHUNK_BYTES = 1 << 18
_TIMEOUT_S = 30.0
_LARGEST_BYTES = 4 << 30
"""No published weights are larger."""

_LENGTH = re.compile(r"[0-9]{1,18}")
"""What servers may say without being checked."""

OnBytes = Callable[[int, int | None], None]
"""Told how many bytes there are so far, and how many there will be where that is known."""


def download(url: str, part: Path, on_bytes: OnBytes, timeout_s: float = _TIMEOUT_S) -> None:
    """Brings a file to `part`; what an earlier try left there is kept and added to.

    Args:
        url: where it is published.
        part: the file to write.
        on_bytes: told of the progress.
        timeout_s: longest wait for the server, in seconds.

    Raises:
        EngineError: the server cannot be reached, refuses, or sends too much; or the file cannot
            be written. What has come is kept.
    """
    have = part.stat().st_size if os.path.exists(part) else 0
    try:
        with _request(url, have, timeout_s) as response:
            resumed = response.status == 206
            have = have if resumed else 0
            length = response.headers.get("Content-Length", "")
            total = have + int(length) if _LENGTH.fullmatch(length) else None
            with part.open("ab" if resumed else "wb") as file:
                _copy(response, file, have, total, on_bytes)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # nothing is left to send
            return
        raise EngineError(f"{url}: the server answers {error.code} {error.reason}") from error
    except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise EngineError(
            f"{url}: {reason}; the same command goes on where this stopped"
        ) from error
    except OSError as error:
        raise EngineError(f"{part}: cannot write it: {error.strerror or error}") from error


def _request(url: str, have: int, timeout_s: float) -> Any:
    headers = {"User-Agent": "streamfer"}
    if have:
        headers["Range"] = f"bytes={have}-"
    return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout_s)


def _copy(response: Any, file: Any, have: int, total: int | None, on_bytes: OnBytes) -> None:
    on_bytes(have, total)
    while chunk := response.read(_CHUNK_BYTES):
        file.write(chunk)
        have += len(chunk)
        if have > _LARGEST_BYTES:
            raise EngineError(f"{response.url}: more than {_LARGEST_BYTES >> 30} GiB; stopped")
        on_bytes(have, total)
    if total is not None and have < total:
        raise ConnectionError(f"the connection ended after {have} of {total} bytes")
