"""What is remembered of the latent codes of tracks between frames."""

from __future__ import annotations

from dataclasses import replace

from streamfer.pipeline.refine.mailbox import RefineRequest
from streamfer.pipeline.refine.refiner import Refiner
from streamfer.pipeline.refine.residual import CarriedResidual, ResidualConfig
from streamfer.types import FaceResult, FloatArray, Frame, UInt8Array
from streamfer.vision.quality import face_quality


class LatentMemory:
    """Gives faces their latent codes: the encoder's, with what refinement found added to it.

    Args:
        refiner: refines faces in the background; None leaves the encoder's codes as they are.
        config: how fast refinements fade.
    """

    def __init__(
        self, refiner: Refiner | None = None, config: ResidualConfig | None = None
    ) -> None:
        self._refiner = refiner
        self._config = config or ResidualConfig()
        self._carried: dict[str, dict[int, CarriedResidual]] = {}

    def collect(self) -> None:
        """Takes in what has been refined since the last call; doesn't wait."""
        if self._refiner is None:
            return
        for refined in self._refiner.results():
            # What was still worked on when its stream ended belongs to nobody.
            if (tracks := self._carried.get(refined.stream)) is not None:
                tracks[refined.track_id] = CarriedResidual(refined, self._config)

    def complete(
        self, face: FaceResult, frame: Frame, crop: UInt8Array, encoded: FloatArray
    ) -> FaceResult:
        """Adds the latent code to a face's result and offers the face for refinement.

        Args:
            face: what else is known of it.
            frame: that it is in.
            crop: (S, S) uint8 gray aligned face.
            encoded: (num_ws, w_dim) float32, the encoder's estimate.
        """
        encoder_only = replace(face, latent_kind="encoder", latent=encoded)
        if self._refiner is None:
            return encoder_only
        carried = self._carried_by(frame, face.track_id)
        latent, weight = carried.apply(encoded, frame.time_s) if carried else (encoded, 0.0)
        self._refiner.request(
            RefineRequest(
                stream=frame.stream,
                track_id=face.track_id,
                time_s=frame.time_s,
                crop=crop,
                latent=encoded,
                start=latent,
                quality=face_quality(face.detection, crop),
            )
        )
        if carried is None or weight == 0.0:
            return encoder_only
        refined = carried.refined
        return replace(
            face,
            latent_kind="refined",
            latent=latent,
            reconstruction=refined.reconstruction,
            reconstruction_error=refined.reconstruction_error,
            refined_age_s=frame.time_s - refined.time_s,
        )

    def forget(self, stream: str) -> None:
        """Frees what is kept of a stream that has ended."""
        self._carried.pop(stream, None)
        if self._refiner is not None:
            self._refiner.forget(stream)

    def _carried_by(self, frame: Frame, track_id: int) -> CarriedResidual | None:
        """The residual of a track; those of the stream that have come to nothing are dropped."""
        tracks = self._carried.setdefault(frame.stream, {})
        for spent in [t for t, carried in tracks.items() if carried.is_spent(frame.time_s)]:
            del tracks[spent]
        return tracks.get(track_id)
