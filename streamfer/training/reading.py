"""How labelled data are read: which codes its folders use, who is in a picture, how strictly."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal

from streamfer.errors import ConfigError
from streamfer.labels import LABELS

Coding = Literal["ckplus", "rafdb", "fer2013", "kdef", "affectnet"]

CODINGS: dict[Coding, dict[str, str]] = {
    "ckplus": {
        "0": "neutral",
        "1": "angry",
        "2": "contempt",
        "3": "disgust",
        "4": "fear",
        "5": "happy",
        "6": "sad",
        "7": "surprise",
    },
    "rafdb": {
        "1": "surprise",
        "2": "fear",
        "3": "disgust",
        "4": "happy",
        "5": "sad",
        "6": "angry",
        "7": "neutral",
    },
    "fer2013": {str(code): name for code, name in enumerate(LABELS)},
    "kdef": {
        "af": "fear",
        "an": "angry",
        "di": "disgust",
        "ha": "happy",
        "ne": "neutral",
        "sa": "sad",
        "su": "surprise",
    },
    "affectnet": {
        "0": "neutral",
        "1": "happy",
        "2": "sad",
        "3": "surprise",
        "4": "fear",
        "5": "disgust",
        "6": "angry",
        "7": "contempt",
    },
}
"""What the folders of published sets are called → the class. Sets that use the same numbers mean
other classes by them, so that numbers alone tell nothing."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How a data set is read."""

    coding: Coding | None = None
    """Whose codes the folders are; needed where they are numbers."""
    subjects: str | None = None
    """Where it stands who is in a picture: `folder:N` (the Nth folder below the data), a
    `pattern:REGEX` of the file name, whose first group or whole match it is, or `column:NAME` of a
    table; None takes what the layout tells."""
    strict: bool = False
    """Stop at what would be passed over."""

    def __post_init__(self) -> None:
        if self.coding is not None and self.coding not in CODINGS:
            raise ConfigError(
                f"--coding: expected one of {', '.join(CODINGS)}, got {self.coding!r}"
            )
        kind, _, value = (self.subjects or "column:subject").partition(":")
        good = value and kind in ("folder", "pattern", "column")
        if not good or (kind == "folder" and not (value.isdecimal() and int(value) >= 1)):
            raise ConfigError(
                "--subjects: expected folder:N, pattern:REGEX or column:NAME,"
                f" got {self.subjects!r}"
            )
        if kind == "pattern":
            try:
                re.compile(value)
            except re.error as error:
                raise ConfigError(f"--subjects: {value!r} is no pattern: {error}") from error

    @property
    def subject_column(self) -> str | None:
        """Column of a table that names the subject, where one was named."""
        kind, _, value = (self.subjects or "").partition(":")
        return value if kind == "column" else None

    def subject(self, file: PurePath) -> str | None:
        """Who is in a picture, by its path below the data.

        Raises:
            ConfigError: the rule says nothing of this file.
        """
        kind, _, value = (self.subjects or "").partition(":")
        if kind == "folder":
            folders = file.parent.parts
            if len(folders) < int(value):
                raise ConfigError(f"{file}: --subjects {self.subjects}: it is not so deep")
            return folders[int(value) - 1]
        if kind == "pattern":
            match = re.search(value, file.name)
            if match is None:
                raise ConfigError(f"{file}: --subjects {self.subjects}: its name does not match")
            return match[1] if match.re.groups else match[0]
        if kind == "column":
            raise ConfigError(f"--subjects {self.subjects}: pictures in folders have no columns")
        return None
