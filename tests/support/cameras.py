"""Cameras that never end: pictures over HTTP, from the test's own process."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

from tests.support.clips import numbered_picture
from tests.support.http_server import http_server, jpeg_stream


@contextmanager
def http_cameras(count: int, rate: float = 5.0) -> Iterator[list[str]]:
    """Serves small pictures of so many cameras.

    Args:
        count: how many.
        rate: pictures/s of each.

    Yields:
        Their addresses, with a password in each.
    """
    ending = threading.Event()
    file = io.BytesIO()
    Image.fromarray(numbered_picture(5, (96, 64))).save(file, "JPEG")
    jpeg = file.getvalue()

    def pictures() -> Iterator[bytes]:
        while not ending.wait(1 / rate):
            yield jpeg

    answers = {f"/cam{n}": jpeg_stream(pictures) for n in range(count)}
    with http_server(answers) as url:
        host = url.removeprefix("http://")
        try:
            yield [f"http://viewer:hunter22@{host}/cam{n}" for n in range(count)]
        finally:
            ending.set()
