"""One line of captions beneath a video: at every moment what all faces show, as it is decided."""

from __future__ import annotations

from collections.abc import Iterator

from streamfer.media.subtitles.cues import Cue, CueBuilder
from streamfer.media.subtitles.timed_text import ass_colour, ass_text
from streamfer.media.subtitles.wording import LANGUAGE_CODES, Wording
from streamfer.media.subtitles.writer import cue_record
from streamfer.media.video.caption_track import Caption
from streamfer.types import FrameResult

_LONGEST_S = 5.0
"""What lasts is given in pieces, so that it is in the file while it is to be seen."""


class Captions:
    """Captions of one stream, without two at a time, as MP4 has them; used by one thread.

    Args:
        wording: what they say, and in which language.
    """

    def __init__(self, wording: Wording | None = None) -> None:
        self._wording = wording or Wording()
        self._builder = CueBuilder()
        self._ended: list[Cue] = []
        self._given_s: float | None = None
        """Media time up to which captions have been given."""

    @property
    def language_codes(self) -> tuple[str, str]:
        """Of the words: ISO 639-2, terminological and bibliographic."""
        return LANGUAGE_CODES[self._wording.language]

    def add(self, result: FrameResult) -> None:
        """Takes the next frame."""
        if self._given_s is None:
            self._given_s = result.frame.time_s
        self._ended += self._builder.add(cue_record(result))

    def ready(self) -> list[Caption]:
        """The captions that are decided, in order, in seconds of media time."""
        if self._given_s is None:
            return []
        decided_s = self._builder.decided_s
        begun = [
            Cue(track, emotion, start_s, decided_s, (0, 0, 0, 0))
            for track, emotion, start_s in self._builder.begun
        ]
        return list(self._upto(decided_s, [*self._ended, *begun]))

    def finish(self) -> list[Caption]:
        """The captions that are left where a file ends; what goes on begins anew."""
        self._ended += self._builder.finish()
        end_s = max((cue.end_s for cue in self._ended), default=0.0)
        rest = list(self._upto(end_s, self._ended, last=True))
        self._builder, self._ended, self._given_s = CueBuilder(), [], None
        return rest

    def _upto(self, end_s: float, cues: list[Cue], last: bool = False) -> Iterator[Caption]:
        if self._given_s is None:
            return
        changes = sorted(
            {
                time_s
                for cue in cues
                for time_s in (cue.start_s, cue.end_s)
                if self._given_s < time_s < end_s
            }
        )
        if end_s > self._given_s and (last or end_s - max([self._given_s, *changes]) > _LONGEST_S):
            changes.append(end_s)
        for time_s in changes:
            shown = sorted(
                (cue.track, cue.emotion)
                for cue in cues
                if cue.start_s <= self._given_s and cue.end_s >= time_s
            )
            lines = [self._line(track, emotion) for track, emotion in shown]
            yield Caption(self._given_s, time_s, "\\N".join(lines))
            self._given_s = time_s
        self._ended = [cue for cue in self._ended if cue.end_s > self._given_s]

    def _line(self, track: int, emotion: str) -> str:
        wording = self._wording
        named = self._builder.several or wording.names
        text = wording.says(track, emotion) if named else wording.label(emotion)
        return f"{{\\c{ass_colour(emotion)}&}}{ass_text(text)}"
