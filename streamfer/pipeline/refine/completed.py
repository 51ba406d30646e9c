"""Faces with what was found of their codes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from streamfer.pipeline.refine.drawing import CodedFace, drawing_error
from streamfer.pipeline.refine.refiner import RefinedFace
from streamfer.pipeline.refine.residual import CarriedResiduals
from streamfer.types import FaceResult, FloatArray, UInt8Array


@dataclass(frozen=True, slots=True, eq=False)
class CompletedFace:
    """A face with its code, and what trust may know of it."""

    result: FaceResult
    searched_error: float | None
    """Of the drawing that the search of a refined code ended with, which trust was fitted to."""


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """Both drawings of one frame."""

    nearest: RefinedFace
    time_s: float
    encoded: FloatArray
    error: float
    """Of the encoder's."""
    found: float
    """Of the other one."""


@dataclass(slots=True, eq=False)
class KnownFace:
    """What is remembered of one track."""

    searches: CarriedResiduals
    measured: Measured | None = None
    """When both drawings were made last."""


@dataclass(frozen=True, slots=True, eq=False)
class Guess:
    """A code that may draw a face better than the encoder's."""

    nearest: RefinedFace
    """The search of the most similar moment."""
    code: FloatArray
    known: KnownFace


def with_encoded(coded: CodedFace, picture: UInt8Array | None = None) -> CompletedFace:
    """With the encoder's own code, and that one's drawing where there is one."""
    result = replace(coded.face, latent_kind="encoder", latent=coded.encoded)
    return CompletedFace(_shown(result, coded, picture), None)


def with_found(coded: CodedFace, guess: Guess, picture: UInt8Array | None = None) -> CompletedFace:
    """With the code that a search suggests, and that one's drawing where there is one."""
    age_s = coded.frame.time_s - guess.nearest.time_s
    result = replace(coded.face, latent_kind="refined", latent=guess.code, refined_age_s=age_s)
    return CompletedFace(_shown(result, coded, picture), guess.nearest.reconstruction_error)


def with_search_picture(coded: CodedFace, guess: Guess) -> CompletedFace:
    """As `with_found`, with the picture of the moment that the search was about."""
    refined, done = guess.nearest, with_found(coded, guess)
    result = replace(
        done.result,
        reconstruction=refined.reconstruction,
        reconstruction_error=refined.reconstruction_error,
    )
    return replace(done, result=result)


def better(
    found: CompletedFace, encoded: CompletedFace, coded: CodedFace, guess: Guess
) -> CompletedFace:
    """The one of two completed forms of a face that is drawn better; both errors are noted.

    Args:
        found: with the code that a search suggests, drawn.
        encoded: with the encoder's own code, drawn.
        coded: the face.
        guess: what the search suggests.
    """
    error, other = encoded.result.reconstruction_error, found.result.reconstruction_error
    assert error is not None
    assert other is not None
    guess.known.measured = Measured(guess.nearest, coded.frame.time_s, coded.encoded, error, other)
    return found if other < error else encoded


def _shown(result: FaceResult, coded: CodedFace, picture: UInt8Array | None) -> FaceResult:
    if picture is None:
        return result
    error = drawing_error(coded.crop, picture)
    return replace(result, reconstruction=picture, reconstruction_error=error)
