"""RGB pictures to the YUV that video encoders take, and the tags that tell players how."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

from streamfer.media.sources.picture import high_definition
from streamfer.types import Planes, UInt8Array

Rect = tuple[int, int, int, int]
"""Left, top, right, bottom, in pixels; right and bottom excluded."""

_LUMA_WEIGHTS = {True: (0.2126, 0.0722), False: (0.299, 0.114)}
"""Of red and blue: BT.709 for high definition, BT.601 below."""


class YuvConverter:
    """Converts the pictures of one video file to YUV 4:2:0, limited range.

    The matrix is the one that players assume for the size anyway: those that pass over the tags
    show the right colours too.

    Args:
        size_wh: of the pictures, in pixels; odd ones are padded by one.
    """

    def __init__(self, size_wh: tuple[int, int]) -> None:
        width, height = size_wh
        self._padding = (height % 2, width % 2)
        self.size_wh = (width + width % 2, height + height % 2)
        """Of the YUV pictures."""
        self._high_definition = high_definition(width, height)
        self._matrix = _yuv_matrix(*_LUMA_WEIGHTS[self._high_definition])
        self._reformatter = VideoReformatter()

    def tag(self, context: Any) -> None:
        """Says in an encoder's stream which colours its pictures have."""
        context.color_range = int(ColorRange.MPEG)
        # H.273 numbers: 1 is BT.709; 6 is BT.601, in primaries, transfer and matrix alike.
        number = 1 if self._high_definition else 6
        context.colorspace = context.color_primaries = context.color_trc = number

    def convert(self, picture: UInt8Array) -> Any:
        """The picture as a new `av.VideoFrame`.

        Args:
            picture: (H, W, 3) uint8 RGB.
        """
        bottom, right = self._padding
        if right or bottom:
            picture = cv2.copyMakeBorder(picture, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
        frame = av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(picture), "rgb24")
        # threads=1: at 640×360 swscale's own threads cost more than they bring.
        return self._reformatter.reformat(
            frame,
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709 if self._high_definition else Colorspace.ITU601,
            interpolation=Interpolation.BILINEAR,
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
            threads=1,
        )

    def repaint(self, planes: Planes, picture: UInt8Array, changed: Sequence[Rect]) -> Any:
        """The picture as a new `av.VideoFrame`, made of the planes that it came from.

        What nobody has drawn over keeps the very pixels of the input, and costs a copy instead of
        a conversion.

        Args:
            planes: of the size that the converter is for.
            picture: (H, W, 3) uint8 RGB.
            changed: where it is not as it came.
        """
        height, width = planes.luma.shape
        # Not from a packed array: PyAV takes its height for a multiple of four.
        frame = av.VideoFrame(width, height, "yuv420p")
        luma, blue, red = map(_writable, frame.planes)
        luma[...], blue[...], red[...] = planes.luma, planes.blue, planes.red
        for left, top, right, bottom in changed:
            left, top, right, bottom = left & -2, top & -2, (right + 1) & -2, (bottom + 1) & -2
            part = cv2.transform(picture[top:bottom, left:right], self._matrix)
            luma[top:bottom, left:right] = part[:, :, 0]
            halved = ((right - left) // 2, (bottom - top) // 2)
            small = cv2.resize(part, halved, interpolation=cv2.INTER_AREA)
            target = np.s_[top // 2 : bottom // 2, left // 2 : right // 2]
            blue[target], red[target] = small[:, :, 1], small[:, :, 2]
        return frame


def _writable(plane: Any) -> UInt8Array:
    """(h, w) view of a plane's pixels, without what lies between its rows."""
    rows = np.frombuffer(plane, dtype=np.uint8).reshape(plane.height, plane.line_size)
    return rows[:, : plane.width]


def _yuv_matrix(red: float, blue: float) -> NDArray[np.float32]:
    """(3, 4) from R'G'B' of 0 to 255 to Y'CbCr of limited range (ITU-T H.273, 8.3)."""
    luma = np.array([red, 1 - red - blue, blue, 0])
    rows = [
        luma * 219,
        (np.array([0, 0, 1, 0]) - luma) / (2 * (1 - blue)) * 224,
        (np.array([1, 0, 0, 0]) - luma) / (2 * (1 - red)) * 224,
    ]
    matrix = np.stack(rows) / 255
    matrix[:, 3] = 16, 128, 128
    return matrix.astype(np.float32)
