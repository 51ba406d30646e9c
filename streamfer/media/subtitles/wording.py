"""What cues say, in six languages.

Nouns where adjectives would have to agree with a person whose gender nobody knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from streamfer.errors import ConfigError
from streamfer.labels import LABELS

Language = Literal["en", "de", "fr", "es", "ja", "zh"]

LANGUAGE_CODES: dict[Language, tuple[str, str]] = {
    "en": ("eng", "eng"),
    "de": ("deu", "ger"),
    "fr": ("fra", "fre"),
    "es": ("spa", "spa"),
    "ja": ("jpn", "jpn"),
    "zh": ("zho", "chi"),
}
"""ISO 639-2, terminological (of MP4) and bibliographic (of MOV and Matroska)."""
_LABELS: dict[Language, tuple[str, ...]] = {
    "en": ("angry", "disgusted", "afraid", "happy", "sad", "surprised", "neutral"),
    "de": ("Ärger", "Ekel", "Angst", "Freude", "Trauer", "Überraschung", "neutral"),
    "fr": ("colère", "dégoût", "peur", "joie", "tristesse", "surprise", "neutre"),
    "es": ("enfado", "asco", "miedo", "alegría", "tristeza", "sorpresa", "neutral"),
    "ja": ("怒り", "嫌悪", "恐れ", "喜び", "悲しみ", "驚き", "平静"),
    "zh": ("愤怒", "厌恶", "恐惧", "高兴", "悲伤", "惊讶", "平静"),
}
"""In the order of LABELS."""
_PERSON: dict[Language, str] = {
    "en": "Person {}",
    "de": "Person {}",
    "fr": "Personne {}",
    "es": "Persona {}",
    "ja": "人物{}",
    "zh": "人物{}",
}
_BREAKS = re.compile(r"[ \t\r\n\v\f\x1c-\x1f\x85\u2028\u2029]+")
_SAYS: dict[Language, str] = {
    "en": "{}: {}",
    "de": "{}: {}",
    "fr": "{}\N{NARROW NO-BREAK SPACE}: {}",
    "es": "{}: {}",
    "ja": "{}：{}",
    "zh": "{}：{}",
}


@dataclass(frozen=True, slots=True)
class Wording:
    """The words of a timeline."""

    language: Language = "en"
    names: Mapping[int, str] = field(default_factory=dict)
    """Of tracks, given by the user."""

    def label(self, emotion: str) -> str:
        """An expression's name; that of a label which is not ours stays as it is."""
        if emotion not in LABELS:
            return emotion
        return _LABELS[self.language][LABELS.index(emotion)]

    def person(self, track: int) -> str:
        """What a track is called."""
        return self.names.get(track) or _PERSON[self.language].format(track)

    def says(self, track: int, emotion: str) -> str:
        """Who shows what."""
        return _SAYS[self.language].format(self.person(track), self.label(emotion))


def one_line(text: str) -> str:
    """A text without what breaks lines; the narrow space before a French colon stays."""
    return " ".join(_BREAKS.split(text)).strip()


def parse_names(texts: Iterable[str], flag: str, stream: str | None = None) -> dict[int, str]:
    """The names of one stream's tracks.

    Args:
        texts: `TRACK=NAME` each, or `STREAM:TRACK=NAME` where a stream is given.
        flag: the option that they come from, for messages.
        stream: whose; a name with another stream before it is left out.

    Raises:
        ConfigError: one is none of these.
    """
    names = {}
    for text in texts:
        whom, _, name = text.partition("=")
        owner, _, track = whom.rpartition(":")
        misplaced = owner and stream is None
        if misplaced or not (track.isdecimal() and name.strip() and name.isprintable()):
            raise ConfigError(f"{flag} {text!r}: write TRACK=NAME, such as 1=Anna")
        if owner in ("", stream):
            names[int(track)] = name.strip()
    return names
