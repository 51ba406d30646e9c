"""High dynamic range to natural SDR.

PyAV's FFmpeg has no zscale, and its tonemap filter wants linear light that only zscale makes. So
the whole way, from the coded HLG or PQ signal to SDR, is worked out here once for a cube of
colours, and FFmpeg's lut3d filter looks each pixel up in it.
"""

from __future__ import annotations

import tempfile
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import av.filter
import cv2
import numpy as np
from numpy.typing import NDArray

from streamfer.types import UInt8Array

PQ, HLG = 16, 18
"""ITU-T H.273, table 3: transfer characteristics."""
_BT2020 = 9
"""H.273, table 2: colour primaries."""

_CUBE = 33
_PEAK_NITS = 1000.0
_WHITE_NITS = 203.0
"""Of HDR's diffuse white (ITU-R BT.2408); it becomes a little less than SDR's white, which leaves
room for lights."""
_KNEE = 0.6
"""Up to this share of white, light stays as it is; above, it is drawn together."""
_SDR_GAMMA = 2.2
_BT2020_LUMA = np.array([0.2627, 0.6780, 0.0593])
_BT2020_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]
)
"""ITU-R BT.2087, for linear light."""


def is_hdr(frame: av.VideoFrame) -> bool:
    """Whether the picture is tagged as HLG or PQ."""
    return int(frame.color_trc) in (PQ, HLG)


class ToneMapper:
    """Maps the pictures of one kind to SDR.

    Args:
        size_wh: of the pictures, in pixels.
        transfer: `PQ` or `HLG`.
        primaries: H.273 number of their colour primaries.
    """

    def __init__(self, size_wh: tuple[int, int], transfer: int, primaries: int) -> None:
        self.key = (size_wh, transfer, primaries)
        """What it was made for."""
        self._graph: Any = av.filter.Graph()
        source = self._graph.add_buffer(
            width=size_wh[0],
            height=size_wh[1],
            format=av.VideoFormat("rgb48le"),
            time_base=Fraction(1, 25),
        )
        with tempfile.TemporaryDirectory(prefix="streamfer-") as folder:
            cube = Path(folder) / "sdr.cube"
            cube.write_text(_cube_text(transfer, primaries == _BT2020))
            lut = self._graph.add("lut3d", file=str(cube), interp="tetrahedral")
            self._graph.link_nodes(source, lut, self._graph.add("buffersink")).configure()

    def map(self, frame: av.VideoFrame) -> UInt8Array:
        """The picture as (H, W, 3) uint8 RGB.

        Args:
            frame: rgb48le of the size given, full range.
        """
        self._graph.push(frame)
        image: UInt8Array = cv2.convertScaleAbs(self._graph.pull().to_ndarray(), alpha=1 / 257)
        return image


@cache
def _cube_text(transfer: int, wide: bool) -> str:
    """The cube in Adobe's format: red runs fastest."""
    steps = np.linspace(0, 1, _CUBE)
    blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")
    sdr = to_sdr(np.stack([red, green, blue], axis=-1).reshape(-1, 3), transfer, wide)
    rows = "\n".join(f"{r:.5f} {g:.5f} {b:.5f}" for r, g, b in sdr.tolist())
    return f"LUT_3D_SIZE {_CUBE}\n{rows}\n"


def to_sdr(signal: NDArray[np.float64], transfer: int, wide: bool) -> NDArray[np.float64]:
    """HLG or PQ to SDR.

    Args:
        signal: (n, 3) R'G'B' as coded, 0 to 1.
        transfer: `PQ` or `HLG`.
        wide: whether the primaries are BT.2020's; else they are BT.709's.

    Returns:
        (n, 3) R'G'B' with BT.709's primaries, 0 to 1.
    """
    light = _pq_light(signal) if transfer == PQ else _hlg_light(signal)
    if wide:
        light = np.maximum(light @ _BT2020_TO_BT709.T, 0)
    brightest = light.max(axis=1, keepdims=True)
    light = light * (_roll_off(brightest) / np.maximum(brightest, 1e-9))
    sdr: NDArray[np.float64] = np.clip(light, 0, 1) ** (1 / _SDR_GAMMA)
    return sdr


def _hlg_light(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """ITU-R BT.2100, table 5: light of a display of 1000 cd/m², diffuse white is 1."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    luma = np.maximum(scene @ _BT2020_LUMA, 1e-9)[:, None]
    light: NDArray[np.float64] = scene * luma**0.2 * (_PEAK_NITS / _WHITE_NITS)
    return light


def _pq_light(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """ITU-R BT.2100, table 4; diffuse white is 1."""
    m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
    root = signal ** (1 / m2)
    light: NDArray[np.float64] = (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)
    return light * (10_000 / _WHITE_NITS)


def _roll_off(light: NDArray[np.float64]) -> NDArray[np.float64]:
    peak = (_PEAK_NITS / _WHITE_NITS - _KNEE) / (1 - _KNEE)
    above = np.clip((light - _KNEE) / (1 - _KNEE), 0, peak)
    drawn: NDArray[np.float64] = _KNEE + (1 - _KNEE) * above / (1 + above) * (1 + 1 / peak)
    return np.where(light <= _KNEE, light, drawn)
