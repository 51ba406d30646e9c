"""The vocabulary that the stages hand to each other.

Coordinates are pixels of the upright source frame, x to the right, y downwards, (0, 0) the centre
of the top left pixel. Images are RGB everywhere; a flip to BGR happens only at an edge that needs
it. Arrays in these objects are treated as read-only unless a docstring says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from streamfer.fields import FieldValue, face_to_dict

UInt8Array = NDArray[np.uint8]
FloatArray = NDArray[np.float32]

StreamState = Literal[
    "waiting",
    "connecting",
    "live",
    "running",
    "stalled",
    "reconnecting",
    "failed",
    "interrupted",
    "done",
]
"""`waiting`: not opened yet; `running`: a file at work; `interrupted`: ended by the user or with
the run, before its own end; the others as their names say."""


EventName = Literal[
    "opened", "disconnected", "reconnected", "changed", "error", "reassigned",
    "face_appeared", "face_left", "expression_changed", "expression_held", "reaction", "rule",
]  # fmt: skip
"""What happens to a connection, and what happens in the picture (`pipeline/events`)."""

_TIME_DIGITS = 6

UNCERTAIN_BELOW = 0.5
"""Trust below which an answer is likelier wrong than right, so that none is shown."""


@dataclass(frozen=True, slots=True, eq=False)
class StreamInfo:
    """What is known of a stream once it is open."""

    stream: str
    """Unique name, fit for a file name."""
    source: str
    """The source as the user named it, credentials redacted."""
    width: int | None
    """Pixels of the upright frame; None until a live source is up."""
    height: int | None
    live: bool
    frame_rate: float | None = None
    """Declared average frames/s."""
    frame_count: int | None = None
    """How many frames will be played, of all rounds of a loop; an estimate, for progress bars."""
    duration_s: float | None = None
    """Where its times end, in seconds, all rounds counted; an estimate, too."""
    from_clip: bool = False
    """Whether it can be played again: a file, also one played at its own rate as if it were live.
    """

    @property
    def unrepeatable(self) -> bool:
        """Whether what is not kept of it now is lost: a camera, a network stream, a screen."""
        return self.live and not self.from_clip


@dataclass(frozen=True, slots=True, eq=False)
class Planes:
    """The YUV 4:2:0 picture, limited range, that an RGB image was made of pixel by pixel."""

    luma: UInt8Array = field(repr=False)
    """(H, W) uint8."""
    blue: UInt8Array = field(repr=False)
    """(H / 2, W / 2) uint8, Cb."""
    red: UInt8Array = field(repr=False)
    """(H / 2, W / 2) uint8, Cr."""
    of_image: UInt8Array = field(repr=False)
    """The image. They say nothing of any other, such as a copy with faces covered."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One decoded, upright video frame."""

    stream: str
    index: int
    """Counts decoded frames from 0, so a gap is a drop; a file's from its first, also where it is
    played from later."""
    pts: int
    """Presentation time in `time_base` units, repaired: strictly increasing."""
    time_base: Fraction
    time_s: float
    """Media time in seconds, 0 for the stream's or the file's first frame, strictly increasing."""
    decoded_at_s: float
    """When it left the decoder, on the pipeline's monotonic clock, in seconds."""
    image: UInt8Array = field(repr=False)
    """(H, W, 3) uint8 RGB, upright."""
    dropped: int = 0
    """Frames of this stream dropped since the one analysed before."""
    wall: str | None = None
    """UTC, ISO 8601, of a live frame's arrival; None for files."""
    segment: int = 0
    """Counts changes of picture size within the stream."""
    shift: int = 0
    """How far the repaired `pts` of this part of the stream lie after the input's own."""
    looped_s: float = 0.0
    """How much later it comes than the same picture in the first round of a loop, in seconds."""
    planes: Planes | None = field(default=None, repr=False)
    """What the image was made of, for outputs that take YUV; None where that is another picture:
    turned, scaled, of another kind."""


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """One face found in one frame."""

    box_xyxy: FloatArray = field(repr=False)
    """(4,) float32 px: left, top, right, bottom."""
    score: float
    """Detector confidence, 0–1."""
    landmarks: FloatArray = field(repr=False)
    """(5, 2) float32 px: image-left eye, image-right eye, nose, image-left and -right mouth
    corner."""


@dataclass(frozen=True, slots=True, eq=False)
class AlignedFace:
    """A face warped onto the template of `streamfer.geometry`."""

    detection: Detection
    image: UInt8Array = field(repr=False)
    """(S, S) uint8 gray, or (S, S, 3) uint8 RGB."""
    frame_to_crop: FloatArray = field(repr=False)
    """(2, 3) float32 affine matrix from frame pixels to crop pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class FaceResult:
    """Everything known of one face in one frame."""

    track_id: int
    """Unique within its stream, from 1."""
    detection: Detection
    detected: bool
    """True where the detector ran and found the face; False where the tracker carried it."""
    emotion: str
    """The label of the largest `smoothed` probability."""
    probs: FloatArray = field(repr=False)
    """(7,) float32, sums to 1: the network's answer for this frame, in the order of LABELS."""
    smoothed: FloatArray = field(repr=False)
    """(7,) float32, sums to 1: the track's answer."""
    latent_kind: Literal["encoder", "refined"] | None = None
    latent: FloatArray | None = field(default=None, repr=False)
    """(num_ws, w_dim) float32 W+ code."""
    reconstruction: UInt8Array | None = field(default=None, repr=False)
    """(R, R) uint8 gray, or (R, R, 3) uint8 RGB: the generator's picture of the face."""
    reconstruction_error: float | None = None
    """Pixel MSE on a [0, 1] scale between face and reconstruction."""
    refined_age_s: float | None = None
    imagined: UInt8Array | None = field(default=None, repr=False)
    """As `reconstruction`: the face as it would look otherwise, where that is asked for."""
    imagined_as: str | None = None
    """The expression of `imagined`."""
    trust: float | None = None
    """Probability that `emotion` is right, 0–1."""
    extra: Mapping[str, FieldValue] = field(default_factory=dict)
    """What the heads answered (`streamfer.vision.heads`), by field; ready for JSON."""

    @property
    def uncertain(self) -> bool:
        """Whether `emotion` is known to be no more than a guess."""
        return self.trust is not None and self.trust < UNCERTAIN_BELOW

    def to_dict(self) -> dict[str, Any]:
        """The face as the records have it, ready for JSON."""
        return face_to_dict(self)


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class FrameResult:
    """One analysed frame."""

    frame: Frame
    faces: tuple[FaceResult, ...]
    _record: dict[str, Any] | None = field(default=None, init=False, repr=False)

    @property
    def record(self) -> Mapping[str, Any]:
        """What `to_dict` gives, made once for all who read it."""
        if self._record is None:
            object.__setattr__(self, "_record", self.to_dict())
        assert self._record is not None
        return self._record

    def to_dict(self) -> dict[str, Any]:
        """The record line (`streamfer.records/1`), ready for JSON."""
        frame = self.frame
        record: dict[str, Any] = {
            "stream": frame.stream,
            "frame": frame.index,
            "time_s": round(frame.time_s, _TIME_DIGITS),
        }
        if frame.wall is not None:
            record["wall"] = frame.wall
        record["dropped"] = frame.dropped
        record["faces"] = [face.to_dict() for face in self.faces]
        return record


@dataclass(frozen=True, slots=True, eq=False)
class StreamEvent:
    """Something that happened to a stream between two frames, or was seen in them."""

    stream: str
    event: EventName
    time_s: float
    """Media time in seconds at which it happened."""
    wall: str | None = None
    """UTC, ISO 8601, for live streams."""
    details: dict[str, Any] = field(default_factory=dict)
    """JSON-ready extras: width and height of `opened`, reason of `error`, the face's `track`, …"""

    def to_dict(self) -> dict[str, Any]:
        """The event's record line, ready for JSON."""
        record: dict[str, Any] = {
            "stream": self.stream,
            "event": self.event,
            "time_s": round(self.time_s, _TIME_DIGITS),
        }
        if self.wall is not None:
            record["wall"] = self.wall
        return record | {key: _readable(value) for key, value in self.details.items()}


def _readable(value: Any) -> Any:
    """Text that can be sent: the names of files need be no UTF-8."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return value


@dataclass(frozen=True, slots=True, eq=False)
class Refinement:
    """Codes that optimisation found for a batch of faces."""

    latents: FloatArray = field(repr=False)
    """(N, num_ws, w_dim) float32 W+ codes."""
    reconstructions: UInt8Array = field(repr=False)
    """(N, R, R) or (N, R, R, 3) uint8: the generator's pictures of them."""
    errors: FloatArray = field(repr=False)
    """(N,) float32 pixel MSE on a [0, 1] scale between faces and reconstructions."""
    steps: int
    """Steps of the optimiser."""
    seconds: float
