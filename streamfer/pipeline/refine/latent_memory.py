"""What is remembered of the latent codes of tracks between frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from streamfer.pipeline.refine.completed import (
    CompletedFace,
    Guess,
    KnownFace,
    Measured,
    better,
    with_encoded,
    with_found,
    with_search_picture,
)
from streamfer.pipeline.refine.drawing import CodedFace, Drawer, Imagine
from streamfer.pipeline.refine.mailbox import RefineRequest
from streamfer.pipeline.refine.refiner import Refiner
from streamfer.pipeline.refine.residual import CarriedResiduals, ResidualConfig
from streamfer.types import FaceResult, Frame
from streamfer.vision.quality import face_quality

_NEAR = 0.3
"""While the encoder's code has moved no further (as `ResidualConfig` measures distances), its
drawing is taken to be about as good as when it was last measured, …"""
_STEADY = 0.1
"""… as long as the other drawing's error has grown by no more than this fraction of it since; …"""
_CLEARLY_BETTER = 0.8
"""… and where that one's error is at most this fraction of it, the encoder's own drawing is not
made, which saves most of those."""
_SETTLED_S = 1.0
"""Where nobody sees the drawings, it is settled for so much media time which one is better, …"""
_SETTLED_DISTANCE = 0.6
"""… while the encoder's code moves no further: as far as a face's does in a second (median)."""


class LatentMemory:
    """Gives faces their latent codes: the encoder's, or with what refinement found added to it.

    With a drawer, what refinement found counts only where its drawing is the better one of this
    very frame; where nobody sees the drawings, of one that was much like it a second before at
    most.

    Args:
        refiner: refines faces in the background; None leaves the encoder's codes as they are.
        config: how fast refinements fade.
        drawer: draws codes; None shows what a search has drawn, of the frame that it was about.
        imagine: as what else faces are drawn; with a drawer only.
        draw_all: whether every face is drawn in every frame, for somebody to see; else only as
            often as it takes to know which code draws it better.
    """

    def __init__(
        self,
        refiner: Refiner | None = None,
        config: ResidualConfig | None = None,
        drawer: Drawer | None = None,
        imagine: Imagine | None = None,
        *,
        draw_all: bool = True,
    ) -> None:
        self._refiner = refiner
        self._config = config or ResidualConfig()
        self._drawer = drawer
        self._imagine = imagine
        self._draw_all = draw_all
        self._tracks: dict[str, dict[int, KnownFace]] = {}

    def collect(self) -> None:
        """Takes in what has been refined since the last call; doesn't wait."""
        if self._refiner is None:
            return
        for refined in self._refiner.results():
            # What a stream's last searches found belongs to nobody once it has ended.
            if (tracks := self._tracks.get(refined.stream)) is not None:
                if refined.track_id not in tracks:
                    tracks[refined.track_id] = KnownFace(CarriedResiduals(self._config))
                tracks[refined.track_id].searches.add(refined)

    def complete(self, faces: Sequence[CodedFace]) -> list[CompletedFace]:
        """Adds codes and drawings to the results of a batch's faces, and offers these for
        refinement.

        Raises:
            EngineError: the drawer failed.
        """
        guesses = [self._guess(coded) for coded in faces]
        if self._drawer is None or not faces:
            completed = [
                with_encoded(coded) if guess is None else with_search_picture(coded, guess)
                for coded, guess in zip(faces, guesses, strict=True)
            ]
        elif self._draw_all:
            completed = self._drawn(self._drawer, faces, guesses)
        else:
            completed = self._judged(self._drawer, faces, guesses)
        if self._refiner is not None:
            for coded, done in zip(faces, completed, strict=True):
                self._offer(self._refiner, coded, done.result)
        return completed

    def forget(self, stream: str) -> None:
        """Frees what is kept of a stream that has ended."""
        self._tracks.pop(stream, None)
        if self._refiner is not None:
            self._refiner.forget(stream)

    def _guess(self, coded: CodedFace) -> Guess | None:
        """The code that the refinements of similar moments suggest."""
        if self._refiner is None:
            return None
        known = self._known(coded.frame, coded.face.track_id)
        if known is None:
            return None
        found = known.searches.apply(coded.encoded, coded.frame.time_s)
        return Guess(*found, known) if found else None

    def _drawn(
        self, drawer: Drawer, faces: Sequence[CodedFace], guesses: Sequence[Guess | None]
    ) -> list[CompletedFace]:
        """Draws the guesses, and the encoder's codes where there is none or it may be the worse."""
        pairs = list(zip(faces, guesses, strict=True))
        pictures = drawer.draw(np.stack([c.encoded if g is None else g.code for c, g in pairs]))
        drawn = [
            with_encoded(coded, picture) if guess is None else with_found(coded, guess, picture)
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
                coded, guess = pairs[index]
                assert guess is not None
                encoded = with_encoded(coded, picture)
                drawn[index] = better(drawn[index], encoded, coded, guess)
        return self._imagined(drawer, drawn)

    def _judged(
        self, drawer: Drawer, faces: Sequence[CodedFace], guesses: Sequence[Guess | None]
    ) -> list[CompletedFace]:
        """Draws only faces of which it isn't known whether the guess or the encoder's code is the
        better one."""
        pairs = list(zip(faces, guesses, strict=True))
        completed = [self._as_before(*pair) for pair in pairs]
        open_ones = [
            (index, coded, guess)
            for index, (coded, guess) in enumerate(pairs)
            if guess is not None and not self._is_settled(coded, guess)
        ]
        if open_ones:
            codes = [code for _, coded, guess in open_ones for code in (guess.code, coded.encoded)]
            pictures = drawer.draw(np.stack(codes))
            for place, (index, coded, guess) in enumerate(open_ones):
                found = with_found(coded, guess, pictures[2 * place])
                encoded = with_encoded(coded, pictures[2 * place + 1])
                completed[index] = better(found, encoded, coded, guess)
        return completed

    def _as_before(self, coded: CodedFace, guess: Guess | None) -> CompletedFace:
        """As when both drawings were made last; without a drawing."""
        measured = None if guess is None else guess.known.measured
        if guess is None or measured is None or measured.found >= measured.error:
            return with_encoded(coded)
        return with_found(coded, guess)

    def _is_settled(self, coded: CodedFace, guess: Guess) -> bool:
        measured = guess.known.measured
        if measured is None or coded.frame.time_s - measured.time_s > _SETTLED_S:
            return False
        # What another search suggests comes from a nearer moment: it may be better, hardly worse.
        same = measured.nearest is guess.nearest or measured.found < measured.error
        return same and self._moved(coded, measured) <= _SETTLED_DISTANCE

    def _moved(self, coded: CodedFace, measured: Measured) -> float:
        moved = coded.encoded - measured.encoded
        return float(np.sqrt(np.mean(moved * moved))) / self._config.spread

    def _is_clearly_better(self, coded: CodedFace, guess: Guess, drawn: CompletedFace) -> bool:
        measured, found = guess.known.measured, drawn.result.reconstruction_error
        if measured is None or found is None or self._moved(coded, measured) > _NEAR:
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

    def _known(self, frame: Frame, track_id: int) -> KnownFace | None:
        """What is remembered of a track; residuals of the stream that have come to nothing are
        dropped."""
        tracks = self._tracks.setdefault(frame.stream, {})
        for number, known in list(tracks.items()):
            known.searches.drop_spent(frame.time_s)
            if not known.searches:
                del tracks[number]
        return tracks.get(track_id)
