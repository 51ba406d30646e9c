"""Work that may never end: opening a source on a disk or device that does not answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


class CallLeft(Exception):
    """Nobody waits for a call, or it was not begun; says why."""


class OwnThreads:
    """Calls, each in a thread of its own; the program ends without those that do not return.

    The event loop's own threads would be waited for.

    Args:
        most: calls at once; those that never return count as long as the program runs.
        ending: set once nothing is waited for any more.
    """

    def __init__(self, most: int, ending: asyncio.Event) -> None:
        self._most = most
        self._ending = ending
        self._under_way = 0

    async def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """What the function returns or raises.

        Raises:
            CallLeft: there are too many calls already, or the server ends.
        """
        if self._under_way >= self._most:
            raise CallLeft("other sources are still being opened; try again later")
        loop = asyncio.get_running_loop()
        result: asyncio.Future[T] = loop.create_future()

        def settle(value: T | None, error: BaseException | None) -> None:
            self._under_way -= 1
            if result.done():
                return
            if error is not None:
                result.set_exception(error)
            else:
                result.set_result(value)  # type: ignore[arg-type]

        def run() -> None:
            value, error = None, None
            try:
                value = function(*arguments)
            except BaseException as raised:
                error = raised
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(settle, value, error)

        threading.Thread(target=run, name="web call", daemon=True).start()  # may fail
        self._under_way += 1  # on the loop, as `settle`, which comes later
        ending = asyncio.create_task(self._ending.wait())
        try:
            waited_for: set[asyncio.Future[Any]] = {result, ending}
            await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
            if not result.done():
                raise CallLeft("the run is ending")
            return result.result()
        finally:
            ending.cancel()
            result.cancel()
