"""The annotated picture of a picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from streamfer.app.session.annotated_picture import AnnotatedPicture
from streamfer.errors import OutputError
from streamfer.media.files.claims import OutputClaims
from streamfer.media.video.picture_file import write_picture
from streamfer.pipeline.stats.timing import StageTimes
from streamfer.types import FrameResult, StreamEvent


class PictureSink:
    """Writes the one picture of a stream; it stands there whole or not at all.

    Args:
        path: whose suffix says what kind of file it is.
        picture: draws the overlay.
        times: where the time of encoding is counted.
        claims: the run's.
        on_finished: takes the path once the file is complete.
    """

    def __init__(
        self,
        path: Path,
        picture: AnnotatedPicture,
        times: StageTimes,
        claims: OutputClaims,
        on_finished: Callable[[Path], None],
    ) -> None:
        self.name = str(path)
        self._path = path
        self._picture = picture
        self._times = times
        self._claims = claims
        self._on_finished = on_finished
        self._written = False

    def write(self, result: FrameResult) -> None:
        """Writes the picture.

        Raises:
            OutputError: it cannot be written, or a second one came.
        """
        if self._written:
            raise OutputError(f"{self.name}: has room for one picture; name a video for more")
        image = self._picture.draw(result).image
        with self._times.stage("encode"):
            write_picture(self._claims.replace(self._path), image)
        self._written = True
        self._on_finished(self._path)

    def event(self, event: StreamEvent) -> None:
        """Events do not show in the picture."""

    def close(self) -> None:
        """Nothing is open after the picture."""
