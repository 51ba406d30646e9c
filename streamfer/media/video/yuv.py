"""RGB pictures to the YUV that video encoders take, and the tags that tell players how."""

from __future__ import annotations

from typing import Any

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from streamfer.types import UInt8Array


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
        self._high_definition = width >= 1280 or height > 576
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
