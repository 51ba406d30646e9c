"""The heads that a run can have by name: one line each."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence

from streamfer.errors import ConfigError
from streamfer.vision.heads.expression import ExpressivenessHead, ValenceHead
from streamfer.vision.heads.head import FaceHead, check_heads
from streamfer.vision.heads.pose import PoseHead

HEADS: Mapping[str, Callable[[], FaceHead]] = {
    "pose": PoseHead,
    "valence": ValenceHead,
    "expressiveness": ExpressivenessHead,
}
"""By name, in the order in which they answer."""


def chosen_heads(names: str, own: Sequence[FaceHead] = ()) -> tuple[FaceHead, ...]:
    """The heads of a run.

    Args:
        names: `all`, `none`, or names from `HEADS` with commas between them.
        own: the caller's, after those.

    Raises:
        ConfigError: a name is unknown, or heads cannot go together.
    """
    if names == "all":
        wanted = list(HEADS)
    elif names == "none":
        wanted = []
    else:
        wanted = [name.strip() for name in names.split(",")]
    for name in wanted:
        if name not in HEADS:
            close = difflib.get_close_matches(name, HEADS, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise ConfigError(
                f"--heads: expected all, none, or of {', '.join(HEADS)}; got {name!r}{hint}"
            )
    heads = (*(HEADS[name]() for name in wanted), *own)
    check_heads(heads)
    return heads
