"""Serving on a CPU in an environment that has no torch, as `make demo` makes it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from streamfer.vision.astronaut import astronaut
from streamfer.vision.overlay.sheet import write_png

CHECKOUT = Path(__file__).resolve().parents[2]
FORBIDDEN = ("torch", "onnxscript", "tqdm", "sklearn", "tensorrt")
_NOT_THERE = f"import sys\nsys.modules.update(dict.fromkeys({FORBIDDEN!r}))\n"
"""What Python runs first, in child processes too: modules that are None cannot be imported."""

_SLOW_TO_LOAD = ("pyarrow", "scipy", "onnx", "skimage.data", "prometheus_client")
_START = f"""
import sys
from streamfer.app.cli.main import main

run = ["run", "demo:", "--max-frames", "2", "--no-display", "--quiet", "--no-refine"]
assert main([*run, "--records", sys.argv[1]]) == 0
print(*sorted(set(sys.modules) & set({_SLOW_TO_LOAD!r})))
"""

_SERVE = """
import sys
from pathlib import Path

import numpy as np

from streamfer.app.bench.command import BenchConfig, bench
from streamfer.app.bench.engines import EngineBenchConfig
from streamfer.app.cli.main import main
from streamfer.app.config import RunConfig
from streamfer.evaluation.engine_inverted import invert_on_engines, open_latent_engines
from streamfer.models.inversion.descent import InversionConfig
from streamfer.models.inversion.worker import main as refine_worker
from streamfer.models.shipped import SHIPPED
from streamfer.runtime.store.store import EngineStore

backend, folder = sys.argv[1:]
run = ["run", "demo:", "--max-frames", "4", "--no-display", "--quiet", "--backend", backend]
assert main([*run, "--records", f"{folder}/records.jsonl", "--refine"]) == 0
assert main(["invert", f"{folder}/face.png", "--out", f"{folder}/inverted", "--steps", "20"]) == 0
networks = EngineBenchConfig(rounds=1, round_s=0.01, detector_batches=(1,), face_batches=(1,))
figures = Path(folder, "bench.json")
options = RunConfig(backend=backend, refine=False)
assert bench(options, figures, BenchConfig(engines=networks), engines=True) == 0
worker = [f"--generator={SHIPPED.generator}", f"--classifier={SHIPPED.classifier}"]
worker += [f"--backend={backend}", f"--engines={EngineStore().root}", "--steps=2"]
assert refine_worker([*worker, "--precision=auto", "--budget-ms=1000", "--prepare"]) == 0
files = {"generator": SHIPPED.generator, "encoder": SHIPPED.encoder}
engines = open_latent_engines({**files, "classifier": SHIPPED.classifier}, EngineStore(), backend)
crop = np.zeros((1, 64, 64), np.uint8)
(face,) = invert_on_engines(engines, crop, ["black"], InversionConfig(steps=2))
assert face.steps == 2
"""


def without_extras(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs Python where nothing of the extras can be imported."""
    (tmp_path / "sitecustomize.py").write_text(_NOT_THERE)
    path = os.pathsep.join([str(tmp_path), str(CHECKOUT)])
    return subprocess.run(
        [sys.executable, "-P", *arguments],
        env={**os.environ, "PYTHONPATH": path},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_run_invert_bench_and_refinement_need_no_extra(backend: str, tmp_path: Path) -> None:
    write_png(astronaut(), tmp_path / "face.png")
    served = without_extras(tmp_path, "-c", _SERVE, backend, str(tmp_path))
    assert served.returncode == 0, served.stderr
    header, *frames = (tmp_path / "records.jsonl").read_text().splitlines()
    assert json.loads(header)["backend"] == backend
    assert any(json.loads(line).get("faces") for line in frames)
    (face,) = json.loads((tmp_path / "inverted" / "faces.json").read_text())["faces"]
    assert face["loss_refined"] < face["loss_encoder"]
    networks = json.loads((tmp_path / "bench.json").read_text())["engines"]
    assert {(one["network"], one["backend"]) for one in networks} == {
        ("centerface", backend),
        ("fused_vgg19", backend),
    }


@pytest.mark.parametrize(
    ("arguments", "code", "extra"),
    [
        (("train", "classifier", "--help"), 2, "learn"),
        (("eval", "latent", "--help"), 2, "learn"),
        (("invert", "x.png", "--out", "y", "--device", "cuda"), 2, "learn"),
        (("run", "demo:", "--no-display", "--backend", "torch"), 5, "learn"),
        (("run", "demo:", "--no-display", "--backend", "tensorrt"), 5, "gpu"),
    ],
)
def test_what_needs_an_extra_says_in_one_line_which(
    arguments: tuple[str, ...], code: int, extra: str, tmp_path: Path
) -> None:
    asked = without_extras(tmp_path, "-m", "streamfer", *arguments)
    assert asked.returncode == code
    (line,) = asked.stderr.splitlines()
    assert line.startswith("error: ")
    assert line.endswith(f"pip install 'streamfer[{extra}]'")


def test_a_second_start_loads_only_what_it_uses(tmp_path: Path) -> None:
    for _ in ("first", "second"):
        done = without_extras(tmp_path, "-c", _START, str(tmp_path / "records.jsonl"))
        assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
