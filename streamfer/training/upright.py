"""Fits whether an aligned face stands upright: `python -m streamfer.training.upright`.

Training faces are turned in pictures by any angle, found by the detector that serves, aligned as a
run aligns them, and encoded; a linear model learns which of the crops do not stand upright.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import nn

from streamfer.errors import ConfigError, OutputError
from streamfer.models.export import served_face_network
from streamfer.models.shipped import WeightFiles, file_digest
from streamfer.training.faces.landmarks import make_detector
from streamfer.training.runs.command import (
    ProgressLine,
    config_from,
    fitting_parser,
    pick_device,
    run_command,
    splits_from,
)
from streamfer.types import FloatArray, UInt8Array
from streamfer.vision.align import align_face
from streamfer.vision.detection.detector import Detector
from streamfer.vision.upright import UprightModel, save_upright

_BATCH = 64
_CANVAS_PX = 160
_SIDES_PX = (60, 156)
_UPRIGHT_DEG = 60.0
"""Crops that lean less stand upright."""
_TURNED_DEG = 90.0
"""Crops that lean more do not; those between say nothing."""
_ORDINARY_DEG = 30.0
"""People seldom lean their heads more, and a crop made by true landmarks hardly leans: of those
that lean more few are lost to anybody if they are taken for turned ones."""
_USUAL_LEAN_DEG = 12.0
_RIDGE = 300.0
_NEWTON_STEPS = 25
_EDGES = (cv2.BORDER_REPLICATE, cv2.BORDER_REFLECT, cv2.BORDER_CONSTANT)


@dataclass(frozen=True, slots=True)
class UprightFitting:
    """A recipe."""

    views: int = 12_000
    """Faces that are shown."""
    lost: float = 0.01
    """Share of the ordinary upright faces that may be taken for others."""
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class TurnedFaces:
    """Crops of turned faces as a run would make them."""

    crops: UInt8Array = field(repr=False)
    """(n, 64, 64) uint8."""
    lean_deg: NDArray[np.float64] = field(repr=False)
    """(n,) in [-180, 180): by how much the face leans in its crop, clockwise."""


def turned_view(picture: UInt8Array, degrees: float, rng: np.random.Generator) -> UInt8Array:
    """A face of any size in the middle of a picture, turned clockwise.

    Args:
        picture: (H, W) uint8 gray.
        degrees: by how much.
        rng: draws its size, and what lies beyond its edges.

    Returns:
        (160, 160, 3) uint8.
    """
    centre = (np.array(picture.shape[::-1]) - 1) / 2
    side = int(rng.integers(*_SIDES_PX))
    matrix = cv2.getRotationMatrix2D(tuple(centre), -degrees, side / max(picture.shape))
    matrix[:, 2] += (side - 1) / 2 - centre
    edge = _EDGES[rng.integers(len(_EDGES))]
    face = cv2.warpAffine(picture, matrix, (side, side), flags=cv2.INTER_CUBIC, borderMode=edge)
    view = np.full((_CANVAS_PX, _CANVAS_PX, 3), rng.integers(256), np.uint8)
    start = (_CANVAS_PX - side) // 2
    view[start : start + side, start : start + side] = face[:, :, None]
    return view


def see_turned_faces(
    pictures: Sequence[UInt8Array],
    detector: Detector,
    config: UprightFitting,
    advance: Callable[[int], None] = lambda count: None,
) -> TurnedFaces:
    """Shows turned faces and keeps what the detector finds best in each view."""
    rng = np.random.default_rng(config.seed)
    rows = rng.permutation(np.resize(np.arange(len(pictures)), config.views))
    angles = rng.permutation(_angles(len(rows), rng))
    crops: list[UInt8Array] = []
    leans: list[float] = []
    for start in range(0, len(rows), _BATCH):
        part = range(start, min(start + _BATCH, len(rows)))
        views = [turned_view(pictures[rows[i]], angles[i], rng) for i in part]
        for i, view, found in zip(part, views, detector.detect(views), strict=True):
            # Faces that the detector is not sure of may be tracked ones, and many of those hang.
            if found:
                aligned = align_face(view, found[0])
                (a, _, _), (b, _, _) = aligned.frame_to_crop
                crops.append(aligned.image)
                leans.append(angles[i] + math.degrees(math.atan2(b, a)))
        advance(len(part))
    lean_deg = (np.array(leans) + 180) % 360 - 180
    return TurnedFaces(np.array(crops, np.uint8), lean_deg)


def _angles(count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """A third as people hold their heads, a third upside down, a third anyhow, in degrees."""
    kind = np.arange(count) % 3
    near = rng.normal(0, _USUAL_LEAN_DEG, count) + np.where(kind == 1, 180, 0)
    return np.where(kind == 2, rng.uniform(-180, 180, count), near)


@torch.inference_mode()
def encode(network: nn.Module, crops: UInt8Array) -> FloatArray:
    """(n, num_ws × w_dim) float32 codes, by the network as it is served."""
    device = next(network.buffers()).device
    parts = [
        network(torch.from_numpy(crops[i : i + _BATCH]).to(device))[2].flatten(1)
        for i in range(0, len(crops), _BATCH)
    ]
    return torch.cat(parts).cpu().numpy()


def fit_upright(
    codes: FloatArray, lean_deg: NDArray[np.float64], lost: float
) -> tuple[UprightModel, dict[str, Any]]:
    """Ridge-regularised logistic regression by Newton's method.

    Args:
        codes: (n, d) of the crops.
        lean_deg: (n,) how much each leans.
        lost: share of the upright crops that may be taken for others; of those that lean as
            people's heads do.

    Returns:
        The model, and how many crops of either kind there were and how many of them were told.

    Raises:
        ConfigError: one of the kinds is missing.
    """
    upright, turned = np.abs(lean_deg) <= _UPRIGHT_DEG, np.abs(lean_deg) >= _TURNED_DEG
    if not (upright.any() and turned.any()):
        raise ConfigError("no faces were found upright, or none turned; show more --views")
    known = upright | turned
    mean, scale = codes[known].mean(axis=0), codes[known].std(axis=0) + 1e-3
    slopes = _newton(((codes[known] - mean) / scale).astype(np.float64), upright[known]) / scale
    scores = codes @ slopes
    ordinary = np.abs(lean_deg) <= _ORDINARY_DEG
    bias = -float(np.quantile(scores[ordinary if ordinary.any() else upright], lost))
    figures = {
        "upright": int(upright.sum()),
        "turned": int(turned.sum()),
        "turned_told": int((scores[turned] + bias <= 0).sum()),
    }
    return UprightModel(slopes.astype(np.float32), bias), figures


def _newton(x: NDArray[np.float64], truth: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Weights of the columns of `x`; a bias is fitted, too, and left out."""
    x = np.concatenate([x, np.ones((len(x), 1))], axis=1)
    ridge = np.diag([_RIDGE] * (x.shape[1] - 1) + [1e-9])
    weights = np.zeros(x.shape[1])
    for _ in range(_NEWTON_STEPS):
        p = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        curvature = (x * (p * (1 - p))[:, None]).T @ x + ridge
        step = np.linalg.solve(curvature, x.T @ (p - truth) + ridge @ weights)
        weights -= step
        if np.abs(step).max() < 1e-6:
            break
    return weights[:-1]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = fitting_parser(
        "streamfer.training.upright",
        "Fits which faces do not stand upright, to the codes of a folder's encoder.",
    )
    default = UprightFitting()
    parser.add_argument("--views", type=int, default=default.views, help="faces that are shown")
    parser.add_argument(
        "--lost", type=float, default=default.lost, help="share of upright faces that may be lost"
    )
    parser.add_argument("--seed", type=int, default=default.seed)
    return run_command(lambda: _fit(parser.parse_args(arguments)))


def _fit(options: argparse.Namespace) -> None:
    weights = WeightFiles(options.weights)
    if weights.missing_latent:
        raise ConfigError(f"{weights.folder}: there is no encoder")
    config = config_from(options, UprightFitting)
    device = pick_device(options.device)
    pictures = splits_from(options, Console(stderr=True)).training.pictures
    with ProgressLine(config.views, "views") as line:
        detector = make_detector()
        seen = see_turned_faces(pictures, detector, config, line.advance)
        detector.close()
    network = served_face_network(weights).to(device)
    codes = encode(network, seen.crops)
    model, figures = fit_upright(codes, seen.lean_deg, config.lost)
    print("  ".join(f"{name} {number}" for name, number in figures.items()), file=sys.stderr)
    notes = {"recipe": asdict(config), "figures": figures}
    try:
        save_upright(model, file_digest(weights.encoder), options.out, notes)
    except OSError as error:
        raise OutputError(f"{options.out}: cannot write: {error.strerror}") from error


if __name__ == "__main__":
    sys.exit(main())
