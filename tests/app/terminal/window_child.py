"""Opens a window, shows streams and prints the actions of keys typed into it until q.

A process of its own: the window toolkit lives as long as its process, and ends it on errors.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from streamfer.app.terminal.window import Action, Window


def main(count: int) -> None:
    window = Window("Streamfer")
    assert window.poll() == set()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for number in range(count):
            window.show(f"cam-{number}", np.full((360, 640, 3), (200, 40, 90), dtype=np.uint8))
        actions = window.poll()
        for action in sorted(actions, key=lambda a: a.name):
            print(action.name, flush=True)
        if Action.QUIT in actions:
            break
        time.sleep(0.03)
    window.close()
    window.close()
    print("closed", flush=True)


main(int(sys.argv[1]))
