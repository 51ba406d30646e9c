"""Which font draws which character, and what stands for characters that none has.

The overlay's own font comes with Pillow and knows Latin letters. For others a font of the system is
looked for; where there is none, the text is written in Latin letters.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from anyascii import anyascii
from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

SYSTEM_FONTS = (
    # Chinese, Japanese and Korean, of Linux, macOS and Windows.
    *("NotoSansCJK-Regular.ttc", "SourceHanSans.ttc", "wqy-microhei.ttc", "wqy-zenhei.ttc"),
    *("DroidSansFallbackFull.ttf", "DroidSansFallback.ttf", "PingFang.ttc", "Hiragino Sans GB.ttc"),
    *("AppleSDGothicNeo.ttc", "msyh.ttc", "YuGothM.ttc", "msgothic.ttc", "malgun.ttf"),
    # Other scripts, and signs.
    *("DejaVuSans.ttf", "NotoSans-Regular.ttf", "NotoSansArabic-Regular.ttf", "FreeSans.ttf"),
    *("NotoSansHebrew-Regular.ttf", "NotoSansDevanagari-Regular.ttf", "NotoSansThai-Regular.ttf"),
    *("Arial Unicode.ttf", "GeezaPro.ttc", "arial.ttf", "tahoma.ttf", "Nirmala.ttf"),
    # Emoji that are outlines; pictures in colour have one size only.
    *("NotoEmoji-Regular.ttf", "NotoSansSymbols2-Regular.ttf", "Symbola.ttf", "seguisym.ttf"),
)
"""File names, as far as a system has them, in the order in which they are asked."""

_UNKNOWN = "?"
_NO_LETTERS = frozenset({"Cc", "Cn", "Co", "Cs", "Zl", "Zp"})
"""Categories of what nobody can read: control characters, surrogates, what is not assigned."""


class Lettering:
    """The overlay's own font, and others for what it lacks.

    Args:
        fallbacks: files of other fonts, asked in turn; those that are not there are passed over.
    """

    def __init__(self, fallbacks: Sequence[str] = SYSTEM_FONTS) -> None:
        self._fallbacks = fallbacks
        self._files: dict[str, str | None] = {}

    def drawable(self, text: str) -> str:
        """`text` in characters that there is a font for: accents go, the rest is transliterated."""
        return "".join(self._closest(c) for c in unicodedata.normalize("NFC", text))

    def runs(self, text: str, size: float) -> list[tuple[str, Font]]:
        """Pieces of a drawable text, in order, each with its font.

        Args:
            text: see `drawable`.
            size: em, in pixels.
        """
        pieces: list[tuple[str, str | None]] = []
        for character in text:
            file = self._file(character)
            if pieces and pieces[-1][1] == file:
                pieces[-1] = (pieces[-1][0] + character, file)
            else:
                pieces.append((character, file))
        return [(piece, font(size, file)) for piece, file in pieces]

    def _closest(self, character: str) -> str:
        if _has_glyph(character, None) or self._file(character) is not None:
            return character
        base = unicodedata.normalize("NFKD", character)[0]
        if _has_glyph(base, None):
            return base
        if unicodedata.category(character) in _NO_LETTERS:
            return _UNKNOWN
        return anyascii(character)  # nothing for what only changes the one before it

    def _file(self, character: str) -> str | None:
        """The file of the font that has a character; None for the overlay's own, or for none."""
        if _has_glyph(character, None):
            return None
        if character not in self._files:
            usable = (file for file in self._fallbacks if _is_there(file))
            self._files[character] = next((f for f in usable if _has_glyph(character, f)), None)
        return self._files[character]


@lru_cache(maxsize=64)
def font(size: float, file: str | None = None) -> Font:
    """A font at a size in pixels; None for the overlay's own, Aileron, which Pillow carries."""
    return ImageFont.load_default(size) if file is None else ImageFont.truetype(file, size)


@lru_cache(maxsize=64)
def _is_there(file: str) -> bool:
    try:
        font(32, file)
    except OSError:
        return False
    return True


@lru_cache(maxsize=4096)
def _has_glyph(character: str, file: str | None) -> bool:
    if character == " ":
        return True
    missing = bytes(font(32, file).getmask("\uffff"))
    return character.isprintable() and bytes(font(32, file).getmask(character)) != missing
