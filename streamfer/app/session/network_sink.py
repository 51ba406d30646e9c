"""`--output` to an address: the annotated video goes to a media server or player."""

from __future__ import annotations

from collections.abc import Callable

from streamfer.app.session.annotated_picture import AnnotatedPicture
from streamfer.media.video.network import NetworkVideo
from streamfer.types import FrameResult, StreamEvent


class NetworkSink:
    """Hands one stream's annotated pictures to what sends them.

    Args:
        label: the address without credentials.
        start: begins to send; called with the first frame.
        picture: draws the overlay.
        notes: what the summary has to say is added here at the end.
    """

    def __init__(
        self,
        label: str,
        start: Callable[[], NetworkVideo],
        picture: AnnotatedPicture,
        notes: list[str],
    ) -> None:
        self.name = f"--output {label}"
        self._start = start
        self._picture = picture
        self._notes = notes
        self._video: NetworkVideo | None = None

    def write(self, result: FrameResult) -> None:
        """Hands a frame over; nothing is waited for."""
        image = self._picture.draw(result).image
        if self._video is None:
            self._video = self._start()
        self._video.write(result.frame, image)

    def event(self, event: StreamEvent) -> None:
        """Events do not show in the video."""

    def close(self) -> None:
        """Ends the connection; closing twice is fine."""
        video, self._video = self._video, None
        if video is None:
            return
        video.close()
        if video.connections == 0:
            self._notes.append(f"{self.name}: was never reached")
        elif video.dropped:
            self._notes.append(f"{self.name}: {video.dropped} pictures were not sent")
