"""Calls in threads of their own."""

from __future__ import annotations

import asyncio
import threading

import pytest

from streamfer.app.web.own_threads import OwnThreads


def test_a_thread_that_cannot_be_started_takes_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def call() -> int:
        threads = OwnThreads(1, asyncio.Event())
        with monkeypatch.context() as full:
            full.setattr(threading.Thread, "start", refuse)
            with pytest.raises(RuntimeError):
                await threads.call(int)
        return await threads.call(int, "7")

    assert asyncio.run(call()) == 7
