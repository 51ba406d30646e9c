"""What is remembered of the latent codes of tracks between frames."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from streamfer.pipeline.refine.drawing import CodedFace, Drawer, Imagine, drawing_error
from streamfer.pipeline.refine.mailbox import RefineRequest
from streamfer.pipeline.refine.refiner import Refiner
from streamfer.pipeline.refine.residual import CarriedResidual, ResidualConfig
from streamfer.types import FaceResult, FloatArray, Frame, UInt8Array
from streamfer.vision.quality import face_quality

_REMEMBERED = 16
"""Refinements of one track: a face comes back to expressions that it has shown."""


@dataclass(frozen=True, slots=True, eq=False)
class CompletedFace:
    """A face with its code, and what trust may know of it."""

    result: FaceResult
    searched_error: float | None
    """Of the drawing that the search of a refined code ended with, which trust was fitted to."""


_NEAR = 0.3
"""While the encoder's code has moved no further (as `ResidualConfig` measures distances), its
drawing is taken to be about as good as when it was last measured, …"""
_STEADY = 0.1
"""… as long as the other drawing's error has grown by no more than this fraction of it since; …"""
_CLEARLY_BETTER = 0.8
"""… and where that one's error is at most this fraction of it, the encoder's own drawing is not
made, which saves most of those."""


@dataclass(frozen=True, slots=True, eq=False)
class _Measured:
    """Both drawings of one frame."""

    encoded: FloatArray
    error: float
    """Of the encoder's."""
    found: float
    """Of the other one."""


@dataclass(slots=True, eq=False)
class _Track:
    """What is remembered of one face."""

    known: deque[CarriedResidual] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    measured: _Measured | None = None
    """When both drawings were made last."""


@dataclass(frozen=True, slots=True, eq=False)
class _Guess:
    """A code that may draw a face better than the encoder's."""

    carried: CarriedResidual
    code: FloatArray
    track: _Track


class LatentMemory:
    """Gives faces their latent codes: the encoder's, or with what refinement found added to it.

    With a drawer every face is drawn in every frame, and what refinement found counts only where
    its drawing is the better one of this very frame.

    Args:
        refiner: refines faces in the background; None leaves the encoder's codes as they are.
        config: how fast refinements fade.
        drawer: draws codes; None shows what a search has drawn, of the frame that it was about.
        imagine: as what else faces are drawn; with a drawer only.
    """

    def __init__(
        self,
        refiner: Refiner | None = None,
        config: ResidualConfig | None = None,
        drawer: Drawer | None = None,
        imagine: Imagine | None = None,
    ) -> None:
        self._refiner = refiner
        self._config = config or ResidualConfig()
        self._drawer = drawer
        self._imagine = imagine
        self._tracks: dict[str, dict[int, _Track]] = {}

    def collect(self) -> None:
        """Takes in what has been refined since the last call; doesn't wait."""
        if self._refiner is None:
            return
        for refined in self._refiner.results():
            # What was still worked on when its stream ended belongs to nobody.
            if (tracks := self._tracks.get(refined.stream)) is not None:
                track = tracks.setdefault(refined.track_id, _Track())
                track.known.append(CarriedResidual(refined, self._config))

    def complete(self, faces: Sequence[CodedFace]) -> list[CompletedFace]:
        """Adds codes and drawings to the results of a batch's faces, and offers these for
        refinement.

        Raises:
            EngineError: the drawer failed.
        """
        guesses = [self._guess(coded) for coded in faces]
        if self._drawer is None or not faces:
            completed = [_undrawn(*pair) for pair in zip(faces, guesses, strict=True)]
        else:
            completed = self._drawn(self._drawer, faces, guesses)
        if self._refiner is not None:
            for coded, done in zip(faces, completed, strict=True):
                self._offer(self._refiner, coded, done.result)
        return completed

    def forget(self, stream: str) -> None:
        """Frees what is kept of a stream that has ended."""
        self._tracks.pop(stream, None)
        if self._refiner is not None:
            self._refiner.forget(stream)

    def _guess(self, coded: CodedFace) -> _Guess | None:
        """The code that the refinement of the most similar moment suggests."""
        if self._refiner is None:
            return None
        track = self._track_of(coded.frame, coded.face.track_id)
        if track is None:
            return None
        time_s = coded.frame.time_s
        found = [(carried, *carried.apply(coded.encoded, time_s)) for carried in track.known]
        carried, code, weight = max(found, key=lambda one: one[2])
        return _Guess(carried, code, track) if weight else None

    def _drawn(
        self, drawer: Drawer, faces: Sequence[CodedFace], guesses: Sequence[_Guess | None]
    ) -> list[CompletedFace]:
        """Draws the guesses, and the encoder's codes where there is none or it may be the worse."""
        pairs = list(zip(faces, guesses, strict=True))
        pictures = drawer.draw(np.stack([c.encoded if g is None else g.code for c, g in pairs]))
        drawn = [
            _plain(coded, picture) if guess is None else _refined(coded, guess, picture)
            for (coded, guess), picture in zip(pairs, pictures, strict=True)
        ]
        doubtful = [
            index
            for index, (coded, guess) in enumerate(pairs)
            if guess is not None and not self._is_clearly_better(coded, guess, drawn[index])
        ]
        if doubtful:
            own = drawer.draw(np.stack([faces[index].encoded for index in doubtful]))
            for index, picture in zip(doubtful, own, strict=True):
                drawn[index] = _better(drawn[index], faces[index], guesses[index], picture)
        return self._imagined(drawer, drawn)

    def _is_clearly_better(self, coded: CodedFace, guess: _Guess, drawn: CompletedFace) -> bool:
        measured, found = guess.track.measured, drawn.result.reconstruction_error
        if measured is None or found is None:
            return False
        moved = coded.encoded - measured.encoded
        distance = float(np.sqrt(np.mean(moved * moved))) / self._config.spread
        if distance > _NEAR:
            return False
        steady = measured.found + _STEADY * measured.error
        return found <= min(_CLEARLY_BETTER * measured.error, steady)

    def _imagined(self, drawer: Drawer, faces: list[CompletedFace]) -> list[CompletedFace]:
        if self._imagine is None:
            return faces
        changes = {}
        for index, face in enumerate(faces):
            code = face.result.latent
            change = None if code is None else self._imagine(face.result, code)
            if change is not None:
                changes[index] = change
        if not changes:
            return faces
        pictures = drawer.draw(np.stack([code for _, code in changes.values()]))
        shown = list(faces)
        for (index, (name, _)), picture in zip(changes.items(), pictures, strict=True):
            result = replace(faces[index].result, imagined=picture, imagined_as=name)
            shown[index] = replace(faces[index], result=result)
        return shown

    def _offer(self, refiner: Refiner, coded: CodedFace, result: FaceResult) -> None:
        frame, face = coded.frame, coded.face
        refiner.request(
            RefineRequest(
                stream=frame.stream,
                track_id=face.track_id,
                time_s=frame.time_s,
                crop=coded.crop,
                latent=coded.encoded,
                start=coded.encoded if result.latent is None else result.latent,
                quality=face_quality(face.detection, coded.crop),
            )
        )

    def _track_of(self, frame: Frame, track_id: int) -> _Track | None:
        """What is remembered of a track; residuals of the stream that have come to nothing are
        dropped."""
        tracks = self._tracks.setdefault(frame.stream, {})
        for number, track in list(tracks.items()):
            for spent in [one for one in track.known if one.is_spent(frame.time_s)]:
                track.known.remove(spent)
            if not track.known:
                del tracks[number]
        return tracks.get(track_id)


def _undrawn(coded: CodedFace, guess: _Guess | None) -> CompletedFace:
    if guess is None:
        plain = replace(coded.face, latent_kind="encoder", latent=coded.encoded)
        return CompletedFace(plain, None)
    refined = guess.carried.refined
    found = _refined(coded, guess, refined.reconstruction)
    result = replace(found.result, reconstruction_error=refined.reconstruction_error)
    return CompletedFace(result, found.searched_error)


def _plain(coded: CodedFace, picture: UInt8Array) -> CompletedFace:
    result = replace(
        coded.face,
        latent_kind="encoder",
        latent=coded.encoded,
        reconstruction=picture,
        reconstruction_error=drawing_error(coded.crop, picture),
    )
    return CompletedFace(result, None)


def _refined(coded: CodedFace, guess: _Guess, picture: UInt8Array) -> CompletedFace:
    refined = guess.carried.refined
    result = replace(
        coded.face,
        latent_kind="refined",
        latent=guess.code,
        reconstruction=picture,
        reconstruction_error=drawing_error(coded.crop, picture),
        refined_age_s=coded.frame.time_s - refined.time_s,
    )
    return CompletedFace(result, refined.reconstruction_error)


def _better(
    drawn: CompletedFace, coded: CodedFace, guess: _Guess | None, picture: UInt8Array
) -> CompletedFace:
    """The better one of a guess and the encoder's code, whose error is noted."""
    plain = _plain(coded, picture)
    error, found = plain.result.reconstruction_error, drawn.result.reconstruction_error
    assert guess is not None
    assert error is not None
    assert found is not None
    guess.track.measured = _Measured(coded.encoded, error, found)
    return drawn if found < error else plain
