"""The window as the main thread tends it: pictures in, keys out."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from rich.console import Console

from streamfer.app.terminal.display import screen_size_wh
from streamfer.app.terminal.feed import WindowFeed, save_picture
from streamfer.app.terminal.window import Action, Window, display_available
from streamfer.errors import OutputError
from streamfer.media.files.claims import OutputClaims
from streamfer.media.files.output_path import wall_stamp
from streamfer.types import UInt8Array


def wants_window(display: bool | None, console: Console) -> bool:
    """Whether a window is shown: unless it is not wanted, or there is no display, which is said."""
    if display is False:
        return False
    if display_available():
        return True
    console.print("no display here: running without a window", highlight=False)
    return False


class Viewer:
    """Shows what output threads feed it, and acts on keys; used by the main thread.

    A context manager: the window opens with the first picture and closes at the end.

    Args:
        feed: where pictures come from; None for no window.
        snapshot_dir: where the s key saves.
        console: where it says so.
        claims: the run's; None where nothing else is written.
    """

    def __init__(
        self,
        feed: WindowFeed | None,
        snapshot_dir: Path,
        console: Console,
        claims: OutputClaims | None = None,
    ) -> None:
        self._claims = claims or OutputClaims()
        self._feed = feed
        self._snapshot_dir = snapshot_dir
        self._console = console
        self._window: Window | None = None
        self._latest: dict[str, UInt8Array] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
        if self._window is not None:
            self._window.close()

    def poll(self) -> bool:
        """Shows new pictures and acts on keys.

        Returns:
            Whether the user wants to quit.
        """
        if self._feed is None:
            return False
        pictures = self._feed.take()
        self._latest.update(pictures)
        if self._window is None:
            if not pictures:
                return False
            self._window = Window("Streamfer", screen_size_wh())
        for stream, image in pictures.items():
            self._window.show(stream, image)
        actions = self._window.poll()
        if Action.PAUSE in actions:
            self._feed.pause(not self._feed.paused)
        if Action.OVERLAY in actions:
            self._feed.overlay = not self._feed.overlay
        if Action.SNAPSHOT in actions:
            self._save()
        return Action.QUIT in actions

    def release(self) -> None:
        """Lets paused streams go on, so that they can end."""
        if self._feed is not None:
            self._feed.pause(False)

    def _save(self) -> None:
        stamp = wall_stamp(self._claims.clock())
        for stream, image in self._latest.items():
            path = self._snapshot_dir / f"{stream}.{stamp}.png"
            try:
                path = save_picture(path, image, self._claims)
                self._console.print(f"saved {path}", markup=False, highlight=False)
            except OutputError as error:
                self._console.print(str(error), markup=False, highlight=False)
