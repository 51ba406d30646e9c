from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from streamfer.app.cli.checks import (
    Finding,
    check_backends,
    check_cameras,
    check_choice,
    check_display,
    check_ffmpeg,
    check_hardware,
    check_pictures,
    check_store,
    check_weights,
)
from streamfer.app.cli.doctor import doctor
from streamfer.app.networks.published import PUBLISHED
from streamfer.errors import ConfigError
from streamfer.models.int8_calibration import (
    HeadAccuracy,
    Int8Calibration,
    write_calibration,
)
from streamfer.models.shipped import WeightFiles, digest
from streamfer.runtime.hardware import Cpu, Gpu
from streamfer.runtime.model import Int8Form, NetworkFile, OnnxModel
from streamfer.runtime.planning import Machine
from streamfer.runtime.store.store import EngineStore

ALL = {"tensorrt": "11.4", "torch": "2.13", "openvino": "2026.4", "onnxruntime": "1.31"}
LAPTOP = Machine(Cpu("cpu", ("avx2",)), (), ALL, False, True)  # type: ignore[arg-type]
SERVER = replace(LAPTOP, gpus=(Gpu(0, "H100", (9, 0), 80 << 30),), torch_sees_gpu=True)

FACE = OnnxModel.from_bytes("face_vgg19", b"", torch_module=object)


def without(machine: Machine, *missing: str) -> Machine:
    return replace(
        machine, versions={k: v for k, v in machine.versions.items() if k not in missing}
    )


def only(findings: list[Finding], text: str) -> Finding:
    (finding,) = [f for f in findings if text in f.text]
    return finding


def test_this_machine_can_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = WeightFiles(tmp_path)
    monkeypatch.setattr("streamfer.app.cli.doctor.SHIPPED", weights)
    shown = Console(file=io.StringIO(), width=120)
    assert doctor(shown, EngineStore(tmp_path)) == 1
    weights.classifier.write_bytes(b"weights")
    assert doctor(shown, EngineStore(tmp_path)) == 0
    assert isinstance(shown.file, io.StringIO)
    text = shown.file.getvalue()
    for area in ("ffmpeg", "cameras", "display", "processor", "gpu", "backends", "weights"):
        assert area in text
    assert "→ install streamfer again" in text


@pytest.mark.parametrize(
    ("missing", "state", "advice"),
    [
        ("h264", "missing", "pip install av"),
        ("libx264", "absent", "choose another --encoder"),
    ],
)
def test_a_missing_codec(missing: str, state: str, advice: str) -> None:
    findings = check_ffmpeg(lambda name, mode: name != missing, has_gpu=False)
    (lack,) = [f for f in findings if f.state != "ok"]
    assert lack.state == state
    assert advice in lack.advice


def test_gpu_encoders_are_shown_with_a_gpu_only() -> None:
    assert only(check_ffmpeg(lambda name, mode: True, has_gpu=True), "h264_nvenc")
    texts = [f.text for f in check_ffmpeg(lambda name, mode: True, has_gpu=False)]
    assert not any("nvenc" in text for text in texts)


def test_cameras() -> None:
    found = check_cameras(["/dev/video0", "/dev/video1"], lambda camera: camera.endswith("0"))
    assert [f.state for f in found] == ["ok", "absent"]
    assert "usermod -aG video" in found[1].advice
    (none,) = check_cameras([], lambda camera: True)
    assert none.state == "absent"
    assert "plug one in" in none.advice


def test_display() -> None:
    assert check_display(True).state == "ok"
    assert "--output" in check_display(False).advice


def test_hardware() -> None:
    assert "driver" in only(check_hardware(LAPTOP), "no NVIDIA GPU").advice
    assert only(check_hardware(SERVER), "H100 (sm_90), 80 GiB").state == "ok"
    blind = replace(SERVER, torch_sees_gpu=False)
    assert "torch with CUDA" in only(check_hardware(blind), "torch cannot use it").advice
    none = replace(without(SERVER, "torch"), torch_sees_gpu=False)
    assert "streamfer[gpu]" in only(check_hardware(none), "torch cannot use it").advice


@pytest.mark.parametrize(
    ("machine", "text", "state", "advice"),
    [
        (LAPTOP, "openvino 2026.4", "ok", ""),
        (without(LAPTOP, "onnxruntime"), "no onnxruntime", "missing", "pip install onnxruntime"),
        (without(LAPTOP, "openvino"), "no openvino", "absent", "pip install openvino"),
        (without(SERVER, "tensorrt"), "no tensorrt", "absent", "streamfer[gpu]"),
        (without(LAPTOP, "torch"), "no torch", "absent", "streamfer[learn]"),
        (without(LAPTOP, "tensorrt"), "no tensorrt, and no use for it here", "absent", ""),
    ],
)
def test_backends(machine: Machine, text: str, state: str, advice: str) -> None:
    finding = only(check_backends(machine), text)
    assert finding.state == state
    assert advice in finding.advice


def test_the_choice_is_explained_for_every_network() -> None:
    laptop = check_choice(LAPTOP, FACE)
    assert [f.text.partition(": no usable")[0] for f in laptop[:2]] == [
        "centerface: openvino on cpu in fp32",
        "face_vgg19: openvino on cpu in fp32",
    ]
    server = check_choice(without(SERVER, "tensorrt"), FACE)
    assert server[0].text.startswith("centerface: openvino on cpu")
    assert server[1].text.startswith("face_vgg19: torch on cuda:0 in fp16: there is an NVIDIA GPU")


def test_the_choice_of_int8_says_what_it_costs() -> None:
    face = replace(FACE, int8=Int8Form(lambda: NetworkFile.of(b""), accuracy_cost=0.0008))
    laptop = replace(LAPTOP, cpu=Cpu("cpu", ("avx512_vnni",)))
    finding = only(check_choice(laptop, face), "face_vgg19: openvino on cpu in int8")
    assert "int8 costs 0.08 points of accuracy" in finding.text


def test_what_torch_cannot_run_is_said() -> None:
    finding = only(check_choice(LAPTOP, FACE), "under --backend torch")
    assert "centerface runs on onnxruntime" in finding.text


def no_decoder(name: str) -> None:
    raise ConfigError(f"--hwaccel {name}: does not start on this machine")


@pytest.mark.parametrize(
    ("machine", "says"),
    [
        (LAPTOP, "pictures stay in the host's memory"),
        (SERVER, "uploaded to cuda:0 once; detection, alignment and the face network"),
        (without(SERVER, "tensorrt"), "the detector on the host"),
    ],
)
def test_the_way_of_the_pictures_is_told(machine: Machine, says: str) -> None:
    assert only(check_pictures(machine, FACE, lambda name: None), says).state == "ok"


def test_whether_the_gpu_can_decode_is_told_where_there_is_one() -> None:
    assert len(check_pictures(LAPTOP, FACE, no_decoder)) == 1
    lack = only(check_pictures(SERVER, FACE, no_decoder), "--hwaccel cuda: does not start")
    assert (lack.state, "the CPU decodes" in lack.advice) == ("absent", True)
    assert only(check_pictures(SERVER, FACE, lambda name: None), "can decode: --hwaccel cuda")


def test_nothing_to_run_on() -> None:
    findings = check_choice(without(LAPTOP, *ALL), FACE)
    assert [f.state for f in findings] == ["missing", "missing"]
    assert check_pictures(without(LAPTOP, *ALL), FACE, no_decoder) == []


def test_weights(tmp_path: Path) -> None:
    weights = WeightFiles(tmp_path)
    found = check_weights(weights, tmp_path)
    assert [f.state for f in found] == ["missing", *["absent"] * (1 + len(PUBLISHED))]
    assert "no latent codes" in found[1].text
    weights.classifier.write_bytes(b"x" * 1_500_000)
    for path in weights.missing_latent:
        path.write_bytes(b"weights")
    (tmp_path / "retinaface_mobilenet0.25.pth").write_bytes(b"weights")
    found = check_weights(weights, tmp_path)
    shipped, calibration, *latent, pulled, absent, by_hand, _, _, _ = found
    assert shipped.text == "face_vgg19.safetensors, 1.5 MB, shipped"
    assert calibration.state == "absent"
    assert "python -m streamfer.training.int8" in calibration.advice
    assert [f.state for f in latent] == ["ok"] * 3
    assert pulled == Finding("weights", "ok", "retinaface-mobilenet0.25, pulled")
    assert absent.advice == "if you want it: streamfer weights pull retinaface-resnet50"
    assert by_hand.advice == "if you want it: streamfer weights pull stylegan2-ffhq --from FILE"


def test_what_int8_costs(tmp_path: Path) -> None:
    weights = WeightFiles(tmp_path)
    weights.classifier.write_bytes(b"weights")
    heads = {"ferplus": HeadAccuracy(1000, 0.83, 0.829)}
    write_calibration(Int8Calibration(digest(weights.face_network), {}, heads), weights.int8)
    finding = only(check_weights(weights, tmp_path), "int8")
    assert finding.text == "int8.json: int8 costs 0.10 points of accuracy"
    weights.int8.write_text("{}")
    damaged = only(check_weights(weights, tmp_path), "int8")
    assert damaged.state == "absent"
    assert "not an int8 calibration" in damaged.text


def test_store(tmp_path: Path) -> None:
    assert check_store(EngineStore(tmp_path / "not" / "yet")).state == "ok"
    (tmp_path / "file").write_text("no folder")
    unwritable = check_store(EngineStore(tmp_path / "file" / "engines"))
    assert unwritable.state == "absent"
    assert "STREAMFER_HOME" in unwritable.advice
