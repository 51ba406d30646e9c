"""The latent code of every tracked face: the encoder's, with what refinement has found for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from streamfer.pipeline.mailbox import RefineRequest, TrackKey
from streamfer.pipeline.refiner import Refiner
from streamfer.pipeline.residual import CarriedResidual, ResidualConfig
from streamfer.types import Detection, FloatArray, UInt8Array
from streamfer.vision.quality import face_quality


@dataclass(frozen=True, slots=True, eq=False)
class TrackLatent:
    """What is known of a face's code in one frame."""

    latent: FloatArray = field(repr=False)
    """(num_ws, w_dim) float32."""
    kind: Literal["encoder", "refined"]
    """`refined` where a residual was added."""
    reconstruction: UInt8Array | None = field(default=None, repr=False)
    """(R, R) uint8: the generator's picture of the face when it was refined."""
    reconstruction_error: float | None = None
    """Pixel MSE on a [0, 1] scale, of that moment."""
    refined_age_s: float | None = None
    """Media time since then, in seconds."""


class RefinedTracks:
    """Hands faces to a refiner and carries its results along the tracks. Used by the analyzer.

    Args:
        refiner: started and closed by its owner.
        config: how residuals fade.
    """

    def __init__(self, refiner: Refiner, config: ResidualConfig) -> None:
        self._refiner = refiner
        self._config = config
        self._carried: dict[TrackKey, CarriedResidual] = {}

    @property
    def carried(self) -> int:
        """Tracks with a residual."""
        return len(self._carried)

    def collect(self) -> None:
        """Takes what has been refined meanwhile; called once per batch of frames."""
        for refined in self._refiner.results():
            self._drop_faded(refined.stream, refined.time_s)
            residual = CarriedResidual(refined, self._config)
            self._carried[refined.stream, refined.track_id] = residual

    def update(
        self,
        stream: str,
        track_id: int,
        time_s: float,
        detection: Detection,
        crop: UInt8Array,
        encoded: FloatArray,
    ) -> TrackLatent:
        """Offers a face for refinement and says what is known of its code.

        Args:
            stream: its stream.
            track_id: its track.
            time_s: media time of the frame, in seconds.
            detection: the face in the frame.
            crop: (S, S) uint8 aligned face.
            encoded: (num_ws, w_dim) float32: the encoder's estimate.
        """
        quality = face_quality(detection, crop)
        self._refiner.request(RefineRequest(stream, track_id, time_s, crop, encoded, quality))
        key = (stream, track_id)
        carried = self._carried.get(key)
        if carried is None:
            return TrackLatent(encoded, "encoder")
        latent, weight = carried.apply(encoded, time_s)
        if not weight:
            del self._carried[key]
            return TrackLatent(encoded, "encoder")
        return TrackLatent(
            latent=latent,
            kind="refined",
            reconstruction=carried.refined.reconstruction,
            reconstruction_error=carried.refined.reconstruction_error,
            refined_age_s=time_s - carried.refined.time_s,
        )

    def forget(self, stream: str) -> None:
        """Drops everything of a stream that has ended."""
        for key in [key for key in self._carried if key[0] == stream]:
            del self._carried[key]
        self._refiner.forget(stream)

    def _drop_faded(self, stream: str, time_s: float) -> None:
        """Drops what is carried for tracks that are gone: nobody will ask for it again."""
        limit_s = self._config.lifetime_s
        gone = [
            key
            for key, carried in self._carried.items()
            if key[0] == stream and time_s - carried.refined.time_s > limit_s
        ]
        for key in gone:
            del self._carried[key]
