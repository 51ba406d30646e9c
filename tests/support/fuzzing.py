"""Damages files at random, and runs the program on them where a crash or a hang does no harm."""

from __future__ import annotations

import json
import random
import select
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import psutil

BUSY_LIMIT_S = 10.0
"""Of processor time: a case that takes more goes round in circles."""
BUSY_LIMIT_S_PER_MEGAPIXEL = 1.0
"""Of processor time more: a damaged header may make a small picture a huge one, which is searched
as any other of its size."""
LIMIT_S = 120.0
"""A case that takes longer hangs, however busy the machine is with other things."""
_START_LIMIT_S = 300.0


def damaged(content: bytes, rng: random.Random) -> bytes:
    """A copy with one to four things wrong with it."""
    broken = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        rng.choice((_flip, _overwrite, _cut, _remove, _repeat, _swap))(broken, rng)
    return bytes(broken)


def _span(broken: bytearray, rng: random.Random) -> tuple[int, int]:
    # Headers are where parsers can go wrong most: half of the damage is near the beginning.
    reach = len(broken) if rng.random() < 0.5 else min(len(broken), 1024)
    start = rng.randrange(max(reach, 1))
    return start, min(start + 2 ** rng.randrange(11), len(broken))


def _flip(broken: bytearray, rng: random.Random) -> None:
    for _ in range(2 ** rng.randrange(6)):
        start, _ = _span(broken, rng)
        if start < len(broken):
            broken[start] ^= 1 << rng.randrange(8)


def _overwrite(broken: bytearray, rng: random.Random) -> None:
    start, end = _span(broken, rng)
    filler = rng.choice((b"\x00", b"\xff", b"\x7f", b"{", b'"', rng.randbytes(1)))
    broken[start:end] = filler * (end - start)


def _cut(broken: bytearray, rng: random.Random) -> None:
    del broken[_span(broken, rng)[0] :]


def _remove(broken: bytearray, rng: random.Random) -> None:
    start, end = _span(broken, rng)
    del broken[start:end]


def _repeat(broken: bytearray, rng: random.Random) -> None:
    start, end = _span(broken, rng)
    broken[start:start] = broken[start:end] * rng.randint(1, 8)


def _swap(broken: bytearray, rng: random.Random) -> None:
    (a, a_end), (b, b_end) = _span(broken, rng), _span(broken, rng)
    broken[a:a_end], broken[b:b_end] = broken[b:b_end], broken[a:a_end]


class Program:
    """The command line in a process of its own, for many runs; restarted after each failure.

    Args:
        clip: a good one, analysed first, so that no engine has to be built within a case's time.
    """

    def __init__(self, clip: Path) -> None:
        self._clip = clip
        self._process: subprocess.Popen[str] | None = None

    def run(
        self, *arguments: object, hidden: str | None = None, records: Path | None = None
    ) -> str | None:
        """Runs it once.

        Args:
            arguments: of the command line.
            hidden: what it must not say.
            records: the JSONL that it writes, which says how large its picture was.

        Returns:
            What is wrong with how it ended; None where nothing is.
        """
        if self._process is None:
            self._process = self._start()
            good = self._ask(["run", self._clip, "--quiet", "--no-display"], _START_LIMIT_S)
            assert good is None, good
        if records is not None:
            records.unlink(missing_ok=True)
        return self._ask(arguments, LIMIT_S, hidden, records)

    def _ask(
        self,
        arguments: Sequence[object],
        limit_s: float,
        hidden: str | None = None,
        records: Path | None = None,
    ) -> str | None:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        before_s = _busy_s(process)
        process.stdin.write(json.dumps([str(argument) for argument in arguments]) + "\n")
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], limit_s)
        answer = process.stdout.readline() if ready else ""
        if not answer:
            self.close()
            return f"no answer within {limit_s:g} s" if not ready else "the process died"
        busy_limit_s = BUSY_LIMIT_S + BUSY_LIMIT_S_PER_MEGAPIXEL * _megapixels(records)
        if limit_s == LIMIT_S and (busy_s := _busy_s(process) - before_s) > busy_limit_s:
            return f"busy for {busy_s:.0f} s"
        ended = json.loads(answer)
        if ended["code"] not in range(6) or "Traceback" in ended["text"]:
            return f"exit code {ended['code']}: {ended['text'][-2000:]}"
        if hidden is not None and hidden in ended["text"]:
            return f"says {hidden}: {ended['text'][-2000:]}"
        if "bug in streamfer" in ended["text"]:
            return str(ended["text"])
        if ended["code"] != 0 and not ended["text"].strip():
            return f"exit code {ended['code']} without a word"
        return None

    def close(self) -> None:
        """Ends the process; closing twice is fine."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @staticmethod
    def _start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.support.fuzz_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).resolve().parents[2],
        )


def _busy_s(process: subprocess.Popen[str]) -> float:
    """Processor time that a process has taken so far, in seconds."""
    times = psutil.Process(process.pid).cpu_times()
    return float(times.user + times.system)


def _megapixels(records: Path | None) -> float:
    """Of the one picture whose records these are; 0 where they say nothing of it."""
    if records is None or not records.exists():
        return 0.0
    with records.open(encoding="utf-8") as lines:
        header, frame = lines.readline(), lines.readline()
    if '"frame":' not in frame:
        return 0.0
    (stream,) = json.loads(header)["streams"]
    return float(stream["width"] * stream["height"] / 1e6)
