"""Which face of which track is refined next.

Each track has one place in the mailbox. A track's first face goes in at once; after that, once per
interval of media time, the best face of the interval, which takes the place of one that still
waits. Of faces that are about as good it is the last: what is found serves the frames that follow,
the better the less the face has moved.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from streamfer.types import FloatArray, UInt8Array

TrackKey = tuple[str, int]
"""Stream and track number."""

_AS_GOOD = 0.8
"""A face is about as good as the best if its quality is this fraction of the best one's."""

_ABSENT_S = 30.0
"""A track that was not seen for so much media time is forgotten; should it come back, it starts
afresh."""


@dataclass(frozen=True, slots=True, eq=False)
class RefineRequest:
    """One face of one frame that could be refined."""

    stream: str
    track_id: int
    time_s: float
    """Media time of the frame in seconds."""
    crop: UInt8Array = field(repr=False)
    """(S, S) uint8 gray aligned face."""
    latent: FloatArray = field(repr=False)
    """(num_ws, w_dim) float32: the encoder's estimate."""
    start: FloatArray = field(repr=False)
    """(num_ws, w_dim) float32: the best that is known, from where the search goes on."""
    quality: float
    """How good a picture of the face it is, 0 to 1."""

    @property
    def key(self) -> TrackKey:
        """The track that it belongs to."""
        return self.stream, self.track_id


class _Track:
    def __init__(self) -> None:
        self.sent_s: float | None = None
        self.seen_s = 0.0
        self.best: RefineRequest | None = None
        self.best_quality = 0.0


class Mailbox:
    """Collects faces and hands out those whose turn it is. Not thread-safe.

    Args:
        every_s: media time between two requests of one track, in seconds.
    """

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._tracks: dict[TrackKey, _Track] = {}
        self._waiting: OrderedDict[TrackKey, RefineRequest] = OrderedDict()

    def __len__(self) -> int:
        """Requests that wait."""
        return len(self._waiting)

    @property
    def tracks(self) -> int:
        """Tracks that are remembered."""
        return len(self._tracks)

    def offer(self, face: RefineRequest) -> bool:
        """Takes note of a face; returns whether a request was put into the mailbox."""
        self._forget_absent(face.stream, face.time_s)
        track = self._tracks.setdefault(face.key, _Track())
        track.seen_s = face.time_s
        track.best_quality = max(track.best_quality, face.quality)
        if track.best is None or face.quality >= _AS_GOOD * track.best_quality:
            track.best = face
        if track.sent_s is not None and face.time_s - track.sent_s < self._every_s:
            return False
        # A newer request keeps its predecessor's place, or a busy track would never be served.
        self._waiting[face.key] = track.best
        track.sent_s, track.best, track.best_quality = face.time_s, None, 0.0
        return True

    def take(self, limit: int) -> list[RefineRequest]:
        """Removes and returns the `limit` requests that have waited longest."""
        count = min(limit, len(self._waiting))
        return [self._waiting.popitem(last=False)[1] for _ in range(count)]

    def forget(self, stream: str) -> None:
        """Drops everything of a stream that has ended."""
        for keyed in (self._tracks, self._waiting):
            for key in [key for key in keyed if key[0] == stream]:
                del keyed[key]

    def _forget_absent(self, stream: str, time_s: float) -> None:
        """Drops the tracks of a stream that have ended, or a camera's would pile up."""
        gone = [
            key
            for key, track in self._tracks.items()
            if key[0] == stream and time_s - track.seen_s > _ABSENT_S
        ]
        for key in gone:
            del self._tracks[key]
