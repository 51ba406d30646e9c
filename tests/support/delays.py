"""How long pictures of a camera's clock take through a program."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path


def delays_s(
    send_log: Path, cycle: int, arrivals: Iterable[tuple[float, int | None]]
) -> list[float]:
    """From the camera's sending of each picture to its arrival.

    Args:
        send_log: `Mount.send_log` of the camera.
        cycle: its pictures' numbers begin anew after so many.
        arrivals: when pictures arrived, by the same clock, and their numbers, where these could be
            read.
    """
    sent: defaultdict[int, list[float]] = defaultdict(list)
    for line in send_log.read_text().splitlines():
        number, sent_s = line.split()
        sent[int(number) % cycle].append(float(sent_s))
    return [
        arrived_s - max(sent_s for sent_s in sent[number] if sent_s < arrived_s)
        for arrived_s, number in arrivals
        if number is not None
    ]
