from __future__ import annotations

from dataclasses import replace

import pytest

from streamfer.errors import ConfigError, EngineError
from streamfer.runtime.hardware import Cpu, Gpu
from streamfer.runtime.model import Int8Form, NetworkFile, OnnxModel
from streamfer.runtime.planning import Machine, find_machine, plan_engine

ALL = {"tensorrt": "11.4", "torch": "2.13", "openvino": "2026.4", "onnxruntime": "1.31"}
H100 = Gpu(0, "H100", (9, 0), 80 << 30)
LAPTOP = Machine(Cpu("cpu", ("avx2",)), (), ALL, False, True)  # type: ignore[arg-type]
SERVER = replace(LAPTOP, gpus=(H100, replace(H100, index=1)), torch_sees_gpu=True)
MODEL = OnnxModel.from_bytes("net", b"file", torch_module=object)
ONNX_ONLY = OnnxModel.from_bytes("net", b"file")
INT8 = OnnxModel.from_bytes("net", b"file", "int8")
QUANTISABLE = replace(MODEL, int8=Int8Form(lambda: NetworkFile.of(b""), accuracy_cost=0.003))
COSTLY = replace(MODEL, int8=Int8Form(lambda: NetworkFile.of(b""), accuracy_cost=0.0031))


def without(machine: Machine, *missing: str) -> Machine:
    return replace(
        machine, versions={k: v for k, v in machine.versions.items() if k not in missing}
    )


def plans(model: OnnxModel, machine: Machine, **request: str) -> list[str]:
    return [
        f"{plan.backend} {plan.device} {plan.precision}"
        for plan in plan_engine(model, machine, **request)
    ]


CPU_PLANS = ["openvino cpu fp32", "onnxruntime cpu fp32"]
BF16_LAPTOP = replace(LAPTOP, cpu=Cpu("cpu", ("avx2", "avx512_bf16")))
AMX_LAPTOP = replace(LAPTOP, cpu=Cpu("cpu", ("avx2", "amx_bf16")))
OLD_LAPTOP = replace(LAPTOP, cpu=Cpu("cpu", ()))
VNNI_LAPTOP = replace(LAPTOP, cpu=Cpu("cpu", ("avx512_vnni", "avx512_bf16")))
VNNI_PLANS = [
    f"{b} cpu {p}"
    for b, p in (
        ("openvino", "int8"),
        ("openvino", "bf16"),
        ("openvino", "fp32"),
        ("onnxruntime", "int8"),
        ("onnxruntime", "fp32"),
    )
]
TRT_PLANS = ["tensorrt cuda:0 fp16", "tensorrt cuda:0 fp32"]
TORCH_PLANS = ["torch cuda:0 fp16", "torch cuda:0 fp32"]
SECOND_GPU_PLANS = [p.replace("cuda:0", "cuda:1") for p in TRT_PLANS + TORCH_PLANS]


@pytest.mark.parametrize(
    ("model", "machine", "expected"),
    [
        (MODEL, LAPTOP, CPU_PLANS),
        (ONNX_ONLY, LAPTOP, CPU_PLANS),
        (MODEL, BF16_LAPTOP, ["openvino cpu bf16", *CPU_PLANS]),
        (MODEL, AMX_LAPTOP, ["openvino cpu bf16", *CPU_PLANS]),
        (MODEL, without(LAPTOP, "openvino"), ["onnxruntime cpu fp32"]),
        (MODEL, replace(LAPTOP, x86=False), ["onnxruntime cpu fp32"]),
        (INT8, BF16_LAPTOP, ["openvino cpu int8", "onnxruntime cpu int8"]),
        (QUANTISABLE, VNNI_LAPTOP, VNNI_PLANS),
        (QUANTISABLE, OLD_LAPTOP, CPU_PLANS),
        (QUANTISABLE, LAPTOP, ["openvino cpu int8", *CPU_PLANS]),
        (QUANTISABLE, without(LAPTOP, "openvino"), ["onnxruntime cpu fp32"]),
        (COSTLY, LAPTOP, CPU_PLANS),
        (COSTLY, VNNI_LAPTOP, ["openvino cpu bf16", *CPU_PLANS]),
        (QUANTISABLE, SERVER, [*TRT_PLANS, *TORCH_PLANS, "openvino cpu int8", *CPU_PLANS]),
        (MODEL, SERVER, [*TRT_PLANS, *TORCH_PLANS, *CPU_PLANS]),
        (MODEL, without(SERVER, "tensorrt"), [*TORCH_PLANS, *CPU_PLANS]),
        (ONNX_ONLY, without(SERVER, "tensorrt"), CPU_PLANS),
        (ONNX_ONLY, SERVER, [*TRT_PLANS, *CPU_PLANS]),
        (MODEL, replace(SERVER, torch_sees_gpu=False), CPU_PLANS),
    ],
)
def test_auto(model: OnnxModel, machine: Machine, expected: list[str]) -> None:
    assert plans(model, machine) == expected


@pytest.mark.parametrize(
    ("model", "machine", "request_", "expected"),
    [
        (MODEL, SERVER, {"device": "cpu"}, CPU_PLANS),
        (COSTLY, LAPTOP, {"precision": "int8"}, ["openvino cpu int8", "onnxruntime cpu int8"]),
        (MODEL, SERVER, {"device": "cuda:1"}, SECOND_GPU_PLANS),
        (MODEL, SERVER, {"backend": "torch"}, TORCH_PLANS),
        (MODEL, SERVER, {"backend": "torch", "device": "cpu"}, ["torch cpu fp32"]),
        (MODEL, LAPTOP, {"backend": "torch"}, ["torch cpu fp32"]),
        (ONNX_ONLY, LAPTOP, {"backend": "torch"}, ["onnxruntime cpu fp32"]),
        (ONNX_ONLY, SERVER, {"backend": "torch", "precision": "fp16"}, ["onnxruntime cpu fp32"]),
        (ONNX_ONLY, SERVER, {"backend": "torch", "device": "cuda:1"}, ["onnxruntime cpu fp32"]),
        (INT8, SERVER, {"backend": "torch"}, ["onnxruntime cpu int8"]),
        (MODEL, SERVER, {"backend": "openvino"}, ["openvino cpu fp32"]),
        (MODEL, BF16_LAPTOP, {"precision": "fp32"}, CPU_PLANS),
        (MODEL, BF16_LAPTOP, {"precision": "bf16"}, ["openvino cpu bf16"]),
        (MODEL, SERVER, {"precision": "fp16"}, [TRT_PLANS[0], TORCH_PLANS[0]]),
        (MODEL, replace(LAPTOP, x86=False), {"backend": "openvino"}, ["openvino cpu fp32"]),
    ],
)
def test_requests(
    model: OnnxModel, machine: Machine, request_: dict[str, str], expected: list[str]
) -> None:
    assert plans(model, machine, **request_) == expected


@pytest.mark.parametrize(
    ("machine", "request_", "says"),
    [
        (LAPTOP, {"device": "cuda"}, "tensorrt needs CUDA and there is no NVIDIA GPU"),
        (LAPTOP, {"backend": "tensorrt"}, "there is no NVIDIA GPU"),
        (SERVER, {"backend": "tensorrt", "device": "cpu"}, "tensorrt runs on a GPU only"),
        (
            replace(SERVER, torch_sees_gpu=False),
            {"backend": "tensorrt"},
            "torch is built without CUDA",
        ),
        (SERVER, {"device": "cuda:7"}, "there is no GPU 7"),
        (SERVER, {"backend": "openvino", "device": "cuda"}, "openvino runs on the CPU here"),
        (without(LAPTOP, "openvino"), {"backend": "openvino"}, "openvino is not installed"),
        (LAPTOP, {"precision": "fp16"}, "openvino on cpu offers fp32 for this model, not fp16"),
        (LAPTOP, {"precision": "int8"}, "not int8"),
    ],
)
def test_what_cannot_be_had_is_explained(
    machine: Machine, request_: dict[str, str], says: str
) -> None:
    with pytest.raises(EngineError, match=says):
        plan_engine(MODEL, machine, **request_)


@pytest.mark.parametrize("model", [MODEL, ONNX_ONLY])
@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({"precision": "fp16"}, "torch on cpu offers fp32 for this model, not fp16"),
        ({"device": "cuda"}, "torch needs CUDA and there is no NVIDIA GPU"),
    ],
)
def test_what_torch_lacks_is_said_of_torch(
    model: OnnxModel, request_: dict[str, str], says: str
) -> None:
    with pytest.raises(EngineError, match=says) as caught:
        plan_engine(model, LAPTOP, backend="torch", **request_)
    assert "onnxruntime" not in str(caught.value)


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", ""])
def test_a_malformed_device_is_refused(device: str) -> None:
    with pytest.raises(ConfigError, match="unknown device"):
        plan_engine(MODEL, LAPTOP, device=device)


@pytest.mark.parametrize(
    ("model", "machine", "request_", "says"),
    [
        (MODEL, LAPTOP, {}, "OpenVINO comes first on x86"),
        (MODEL, BF16_LAPTOP, {}, "computes in bf16"),
        (MODEL, SERVER, {}, "there is an NVIDIA GPU"),
        (MODEL, LAPTOP, {"backend": "onnxruntime"}, "asked for"),
        (ONNX_ONLY, LAPTOP, {"backend": "torch"}, "exists as an ONNX file only"),
    ],
)
def test_the_first_plan_says_why(
    model: OnnxModel, machine: Machine, request_: dict[str, str], says: str
) -> None:
    assert says in plan_engine(model, machine, **request_)[0].reason


def test_this_machine_has_onnxruntime() -> None:
    assert find_machine().versions["onnxruntime"]
