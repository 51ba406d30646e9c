from __future__ import annotations

import threading

QUICK = {"refine": False, "device": "cpu"}


def analysing() -> list[str]:
    return [thread.name for thread in threading.enumerate() if "streamfer" in thread.name]
