"""A face that was encoded and refined: what came out, and in numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from streamfer.types import FloatArray, UInt8Array


@dataclass(frozen=True, slots=True, eq=False)
class InvertedFace:
    """One face, what the encoder made of it, and what refinement did."""

    name: str
    input: UInt8Array = field(repr=False)
    """(S, S) uint8 gray, or (S, S, 3) uint8 RGB."""
    encoder: UInt8Array = field(repr=False)
    """(R, R) or (R, R, 3) uint8: drawn from the encoder's estimate."""
    refined: UInt8Array = field(repr=False)
    """The same, drawn from the refined code."""
    latent_encoder: FloatArray = field(repr=False)
    """(num_ws, w_dim) float32."""
    latent_refined: FloatArray = field(repr=False)
    history: FloatArray = field(repr=False)
    """(steps + 1,) total loss of this face before each step, and at the end."""
    loss_encoder: float
    """Distance through the lens."""
    loss_refined: float
    mse_encoder: float
    """Pixel MSE on a [0, 1] scale."""
    mse_refined: float
    steps: int
    seconds: float
    """Its share of the time of the faces refined together with it."""
    emotion_input: str
    emotion_encoder: str
    """Read from the picture drawn from the encoder's estimate."""
    emotion_refined: str

    def numbers(self) -> dict[str, Any]:
        """All but pictures and arrays, ready for JSON."""
        return {
            "name": self.name,
            "loss_encoder": self.loss_encoder,
            "loss_refined": self.loss_refined,
            "mse_encoder": self.mse_encoder,
            "mse_refined": self.mse_refined,
            "steps": self.steps,
            "seconds": self.seconds,
            "emotion_input": self.emotion_input,
            "emotion_encoder": self.emotion_encoder,
            "emotion_refined": self.emotion_refined,
        }
