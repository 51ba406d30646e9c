from __future__ import annotations

import sys
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from streamfer.app.cli.run import run
from streamfer.app.config import RunConfig
from streamfer.app.networks.face_model import face_model
from streamfer.app.networks.models import Models, open_models
from streamfer.engine import TensorSpec
from streamfer.errors import EngineError
from streamfer.models.shipped import SHIPPED
from streamfer.runtime.hardware import Gpu
from streamfer.runtime.planning import find_machine
from streamfer.runtime.self_check import sample_inputs
from streamfer.runtime.store.store import EngineStore
from tests.support.analysed import make_frame
from tests.support.clips import ClipSpec, make_clip
from tests.support.detectors import FakeDetector
from tests.support.engines import FakeEngine
from tests.support.fake_tensorrt import VERSIONS, FakeTensorRT
from tests.support.program import frame_records, record_lines
from tests.support.queues import HostQueue
from tests.support.results import detection
from tests.support.takeover import Desk, better, reader, wait_for_builder


def test_no_frame_of_a_live_run_is_lost_or_doubled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = threading.Event()

    def on_run(number: int) -> None:
        if number == 5:
            go.set()
        if number == 8:
            wait_for_builder()

    old, new = reader("torch", "happy", on_run), reader("tensorrt", "sad")
    asked: list[bool] = []

    def open_it(*_: object) -> FakeEngine:
        assert go.wait(60)
        return new

    def opened(*_: object, at_once: bool, **_how: object) -> Models:
        asked.append(at_once)
        return Models(FakeDetector(detection(10, 10, 30)), old, better=(better("face", open_it),))

    monkeypatch.setattr("streamfer.app.session.networks.open_models", opened)
    clip = make_clip(tmp_path / "cam.mp4", ClipSpec(frames=40))
    records = tmp_path / "records.jsonl"
    config = RunConfig(
        source=(str(clip),),
        realtime=True,
        drop="never",
        detect_every="1",
        records=records,
        display=False,
        quiet=True,
    )
    assert run(config) == 0
    assert asked == [True]
    frames = frame_records(records)
    assert [record["frame"] for record in frames] == list(range(40))
    answers = [record["faces"][0]["probs"][3] > 0.5 for record in frames]
    first_new = answers.index(False)
    assert 0 < first_new < 40
    assert not any(answers[first_new:])  # old, then new, without a way back
    lines = record_lines(records)[1:]
    events = [line for line in lines if line.get("event") == "changed"]
    assert len(events) == 2
    assert events[0]["compiling"] == "tensorrt"
    assert lines.index(events[0]) == 0
    assert lines[lines.index(events[1]) + 1]["frame"] == first_new
    assert (old.closed, new.closed) == (1, 1)


def test_the_shipped_networks_change_to_tensorrt_in_mid_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the fake, which computes what the networks say: faces must not change with the engine."""
    machine = replace(
        find_machine(),
        gpus=(Gpu(0, "H100", (9, 0), 80 << 30),),
        torch_sees_gpu=True,
        versions={**find_machine().versions, "tensorrt": VERSIONS[-1]},
    )
    face = face_model(SHIPPED, EngineStore(), lambda *_: None)  # exported once on this machine
    monkeypatch.setattr("streamfer.app.networks.face_network.face_model", lambda *_: face)
    monkeypatch.setattr("streamfer.runtime.open_engine.find_machine", lambda: machine)
    monkeypatch.setattr(
        "streamfer.runtime.backends.tensorrt.SideStream", lambda device: HostQueue()
    )
    monkeypatch.setattr("streamfer.runtime.backends.torch.SideStream", no_cuda)
    monkeypatch.setitem(sys.modules, "tensorrt", FakeTensorRT(VERSIONS[-1]))
    store = EngineStore(tmp_path / "engines")
    config = RunConfig(backend="tensorrt", precision="fp32", threads=1)
    picture = sample_inputs([TensorSpec("images", np.dtype(np.uint8), (1, 240, 320, 3))])["images"]
    with closing(open_models(config, store, lambda *_: None, at_once=True)) as models:
        assert [(b.part, b.backend) for b in models.better] == [
            ("face", "tensorrt"),
            ("detector", "tensorrt"),
        ]
        with Desk(models, sizes_wh=[(320, 240)]) as desk:
            (before,) = desk.analyzer([make_frame(0, picture[0].copy())])
            wait_for_builder()
            (after,) = desk.analyzer([make_frame(1, picture[0].copy())])
            assert desk.statistics.snapshot().backend == "tensorrt"
    (first,), (second,) = before.faces, after.faces
    np.testing.assert_allclose(second.probs, first.probs, atol=1e-3)
    assert second.track_id == first.track_id
    with closing(open_models(config, store, lambda *_: None, at_once=True)) as models:
        assert models.better == ()
        assert models.face.backend == "tensorrt"


def no_cuda(device: str) -> None:
    raise EngineError(f"{device} cannot be used")
