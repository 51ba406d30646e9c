"""Pictures on their way to the window, and to files."""

from __future__ import annotations

import threading
from pathlib import Path

from streamfer.errors import OutputError
from streamfer.media.files.claims import OutputClaims, free_path
from streamfer.media.files.output_file import write_whole
from streamfer.types import UInt8Array
from streamfer.vision.overlay.sheet import encode_picture


def save_picture(path: Path, image: UInt8Array, claims: OutputClaims) -> Path:
    """Writes an RGB picture as PNG, making the folder.

    Returns:
        Where it is: under a numbered name where a file stood at `path`.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        content = encode_picture(image)
        free = free_path(claims, path)
        write_whole(free, content)
        return free
    except OSError as error:
        raise OutputError(f"{path}: cannot write: {error.strerror or error}") from error


class WindowFeed:
    """The newest picture of every stream, from the output threads to the main thread's window.

    While the window pauses, output threads wait in here, so that files hold still and live sources
    drop.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pictures: dict[str, UInt8Array] = {}
        self._playing = threading.Event()
        self._playing.set()
        self.overlay = True
        """Whether the window wants the overlay."""

    def show(self, stream: str, image: UInt8Array) -> None:
        """Puts a picture where the window finds it; waits while the window pauses."""
        with self._lock:
            self._pictures[stream] = image
        self._playing.wait()

    def take(self) -> dict[str, UInt8Array]:
        """The pictures that have come since the last call."""
        with self._lock:
            pictures, self._pictures = self._pictures, {}
            return pictures

    def pause(self, paused: bool) -> None:
        """Holds the streams, or lets them go on."""
        self._playing.clear() if paused else self._playing.set()

    @property
    def paused(self) -> bool:
        """Whether the streams are held."""
        return not self._playing.is_set()
