"""The functions of the package: each opens a session of its own for one call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from os import PathLike
from typing import Any, Unpack

from streamfer.app.session.options import RunOptions
from streamfer.app.session.results import Results
from streamfer.app.session.session import Session
from streamfer.types import FrameResult, UInt8Array


def analyze(
    *sources: Any,
    name: str | None = None,
    frame_rate: float = 30.0,
    sinks: Sequence[Any] = (),
    **options: Unpack[RunOptions],
) -> Results:
    """Analyses sources in the background and yields every frame's result.

    Files and pictures are analysed without loss, as fast as the caller takes the results; live
    sources stay fresh and drop what the caller is too slow for. Leaving the loop, or dropping the
    iterator, stops everything. The results are the caller's: nothing paints on their pictures.

    Example:
        >>> for result in streamfer.analyze("demo:", max_frames=3, refine=False):
        ...     print(result.frame.index, len(result.faces))
        0 1
        1 1
        2 1

    Args:
        sources: as on the command line: paths (as text or `Path`), URLs, camera numbers, …; a
            picture, (H, W, 3) uint8 RGB or (H, W) uint8 gray; an iterable of pictures or of
            (seconds, picture) pairs; an own `Source`.
        name: of the stream, where there is one source only.
        frame_rate: frames/s of pictures that come without times.
        sinks: callables that take every result, or objects with `write(result)` and, if they want,
            `event(event)` and `close()`. One thread at a time calls them.
        options: those of `streamfer run`, such as `max_frames=100` or `records="talk.jsonl"`.

    Returns:
        Results in order per stream; `result.frame.stream` says which.

    Raises:
        ConfigError: an option or a source is wrong; raised by the call itself.
        StreamferError: a stage, a source or an output failed; raised by the iterator.
    """
    session = Session(**options)
    results = session.analyze(*sources, name=name, frame_rate=frame_rate, sinks=sinks)
    results.when_ended(session.close)
    return results


def analyze_image(
    picture: UInt8Array | str | PathLike[str], **options: Unpack[RunOptions]
) -> FrameResult:
    """Finds and reads the faces of one picture, without tracking or smoothing.

    A `Session` does the same for many pictures without opening the networks each time.

    Example:
        >>> picture = skimage.data.astronaut()
        >>> [face.emotion for face in streamfer.analyze_image(picture).faces]
        ['happy']

    Args:
        picture: (H, W, 3) uint8 RGB or (H, W) uint8 gray, or the path of a file, of which the
            first frame is read.
        options: those of `streamfer run`.

    Returns:
        Its faces; `frame.image` is the picture as (H, W, 3) uint8 RGB.

    Raises:
        ConfigError: an option is wrong, or the picture is neither array nor path.
        SourceError: the file cannot be read, or the array is no picture.
        EngineError: a network is missing, broken or cannot run here.
    """
    options.setdefault("refine", False)  # one picture has no later ones that could use it
    with Session(**options) as session:
        return session.analyze_image(picture)


def analyze_async(*sources: Any, **options: Any) -> AsyncIterator[FrameResult]:
    """`analyze` under asyncio: the event loop goes on while a frame is awaited.

    Leaving the loop, or cancelling the task, stops everything.

    Example:
        >>> async def count() -> int:
        ...     return len([r async for r in streamfer.analyze_async("demo:", max_frames=3)])
        >>> asyncio.run(count())
        3

    Args:
        sources: as for `analyze`.
        options: as for `analyze`.

    Raises:
        ConfigError: an option or a source is wrong; raised by the call itself.
        StreamferError: a stage, a source or an output failed; raised by the iterator.
    """
    return _awaited(analyze(*sources, **options))


async def _awaited(results: Results) -> AsyncIterator[FrameResult]:
    end = object()
    try:
        while isinstance(result := await asyncio.to_thread(next, results, end), FrameResult):
            yield result
    finally:
        results.close()  # wakes the thread that waits for a result, where a task was cancelled
