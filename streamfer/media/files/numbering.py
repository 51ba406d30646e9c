"""Numbers that the outputs of one stream have in common."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import count

_MOST_FRAMES = 64
"""That are remembered: one output may be that far ahead of another, and no further."""


class FrameNumbers(dict[int, int]):
    """A number for each of a stream's last frames, by index: outputs that come to the same frame
    one after the other find the same one."""

    def __setitem__(self, frame: int, number: int) -> None:
        super().__setitem__(frame, number)
        if len(self) > _MOST_FRAMES:
            del self[next(iter(self))]


class Numbering:
    """The numbers of continuations: of one stream, what begins at the same frame has the same one.

    A number whose name is taken for one of the outputs is stepped over by all of them. Any thread
    may ask.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._outputs: list[Callable[[int], bool]] = []
        self._number = 0
        self._of_frame = FrameNumbers()

    def join(self, is_free: Callable[[int], bool]) -> None:
        """Notes one more output, by what tells whether it could have the continuation of some
        number."""
        with self._lock:
            self._outputs.append(is_free)

    def next(self, frame: int | None, above: int) -> int:
        """The number of an output's next file.

        Args:
            frame: index of the frame that the file begins with; None: nothing else begins there.
            above: the number that the output has had, or tried, last.
        """
        with self._lock:
            known = 0 if frame is None else self._of_frame.get(frame, 0)
            if known > above:
                return known
            self._number = next(filter(self._is_free, count(self._number + 1)))
            if frame is not None:
                self._of_frame[frame] = self._number
            return self._number

    def _is_free(self, number: int) -> bool:
        return all(is_free(number) for is_free in self._outputs)
