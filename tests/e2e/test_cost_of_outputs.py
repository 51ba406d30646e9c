"""What events and everything that is made of them cost."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from statistics import median

import pytest

import streamfer
from tests.support.mosquitto import Mosquitto
from tests.support.shared import shared_file
from tests.support.webhook_server import webhook_server

ROUNDS = 12
"""Of each; the median counts."""


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_cost_of_all_outputs_in_turns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prints the benchmark clip's frames/s without and with all of it, run in turns:
    `pytest -m slow -s tests/e2e/test_cost_of_outputs.py` on an idle machine."""
    clip = shared_file("media/WolfgangLanger_Pexels.mp4")
    broker = Mosquitto(tmp_path, "p@ss")
    broker.start()
    plain = {"events": False, "heads": "none"}
    rates: dict[str, list[float]] = {"plain": [], "all": []}
    try:
        with webhook_server() as receiver, streamfer.Session(refine=False) as session:
            everything = {
                "event": ["smile: happy > 0.5 for 500 ms", "faces >= 1"],
                "baseline": "auto",
                "webhook": receiver.url,
                "mqtt": f"mqtt://me:p%40ss@127.0.0.1:{broker.port}/house",
                "lsl": importlib.util.find_spec("pylsl") is not None,
                "subtitles": tmp_path / "subtitles.ass",
                "embed_subtitles": True,
            }
            session.run(clip, max_frames=50)  # opens the networks
            for number in range(ROUNDS):
                for name, options in (("plain", plain), ("all", everything)):
                    outputs = {"output": tmp_path / "out.mp4", "records": tmp_path / "r.jsonl"}
                    if name == "all":
                        outputs["clips"] = tmp_path / f"clips{number}"
                    outcome = session.run(clip, **outputs, **options)
                    assert outcome.failures == ()
                    rates[name].append(outcome.snapshot.fps)
    finally:
        broker.kill()
    assert receiver.bodies
    assert list((tmp_path / "clips0").iterdir())
    without, with_all = median(rates["plain"]), median(rates["all"])
    with capsys.disabled():
        print(f"\nwithout: {without:.1f} frames/s, {[round(rate, 1) for rate in rates['plain']]}")
        print(f"with all: {with_all:.1f} frames/s, {[round(rate, 1) for rate in rates['all']]}")
        print(f"costs {1 - with_all / without:.1%}")
