"""Ctrl-Z in a terminal: the shell gets its cursor back, and the run goes on when it is told to."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys

import pytest

from tests.support.terminal import Terminal

HIDES, SHOWS = b"\x1b[?25l", b"\x1b[?25h"

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGTSTP"), reason="there is no Ctrl-Z here")


def test_a_stopped_run_gives_the_cursor_back_and_takes_it_again() -> None:
    outer, inner = pty.openpty()
    # A process group of its own in this session, as a shell makes for its jobs.
    process = subprocess.Popen(
        [sys.executable, "-m", "streamfer", "run", "demo:", "--loop", "1000", "--no-refine",
         "--no-display"],
        stdin=subprocess.DEVNULL, stdout=inner, stderr=inner, process_group=0,
        env={**os.environ, "TERM": "xterm"},
    )  # fmt: skip
    os.close(inner)
    terminal = Terminal(outer)
    try:
        terminal.wait_for(b"Streamfer")
        assert terminal.shown.rindex(HIDES) > terminal.shown.find(SHOWS)
        hidden = terminal.shown.count(HIDES)
        process.send_signal(signal.SIGTSTP)
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        terminal.wait_for(SHOWS)
        assert terminal.shown.rindex(SHOWS) > terminal.shown.rindex(HIDES)
        process.send_signal(signal.SIGCONT)
        terminal.wait_for(HIDES, times=hidden + 1)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert terminal.shown.rindex(SHOWS) > terminal.shown.rindex(HIDES)
    finally:
        process.kill()
        process.wait()
        terminal.close()
