"""Decoded pictures to upright RGB: colours, orientation and pixel shape."""

from __future__ import annotations

import threading
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from streamfer.errors import SourceError
from streamfer.media.sources.tone import ToneMapper, is_hdr
from streamfer.types import Planes, UInt8Array

_MATRICES = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
    10: Colorspace.BT2020,
}
"""AVColorSpace (ITU-T H.273 MatrixCoefficients) to swscale's matrices."""

_LARGEST_ASPECT = 4
"""Pixels more oblong than this are taken for damage and left alone; real ones are below 3."""

_PLANAR = {"nv12": "yuv420p", "nv16": "yuv422p", "p010le": "yuv420p10le"}
"""Formats in which hardware decodes, and those of the CPU's decoders with the same content."""

_ROUNDING = (1.0, 1.0, 1.0, 0.0)
"""What swscale's fast conversion leaves out on average, in levels; see `_truncates`."""

Turn = tuple[int, int, int, int]
"""A display matrix's (a, b, c, d) as -1, 0 and 1: (x, y) goes to (ax + cy, bx + dy)."""

_IDENTITY: Turn = (1, 0, 0, 1)
_TURNS: dict[Turn, Callable[[UInt8Array], UInt8Array]] = {
    (-1, 0, 0, -1): lambda image: cv2.rotate(image, cv2.ROTATE_180),
    (0, 1, -1, 0): lambda image: cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE),
    (0, -1, 1, 0): lambda image: cv2.rotate(image, cv2.ROTATE_90_COUNTERCLOCKWISE),
    (-1, 0, 0, 1): lambda image: cv2.flip(image, 1),
    (1, 0, 0, -1): lambda image: cv2.flip(image, 0),
    (0, 1, 1, 0): cv2.transpose,
    (0, -1, -1, 0): lambda image: cv2.rotate(cv2.transpose(image), cv2.ROTATE_180),
}


class RgbConverter:
    """Converts the pictures of one stream; safe to use from several threads.

    One per stream, because swscale's tables are rebuilt whenever format or size change.
    """

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()
        self._rearranger = VideoReformatter()
        self._mapper: ToneMapper | None = None
        self._lock = threading.Lock()

    def convert(self, frame: av.VideoFrame, size_wh: tuple[int, int]) -> UInt8Array:
        """The picture as coded, scaled to `size_wh`: (H, W, 3) uint8 RGB.

        Raises:
            SourceError: FFmpeg cannot convert the pixel format.
        """
        with self._lock:
            try:
                if is_hdr(frame):
                    return self._tone_mapped(frame, size_wh)
                if _has_alpha(frame):
                    return _on_white(self._reformat(frame, size_wh, "rgba").to_ndarray())
                frame = self._planar(frame)
                rgb = self._reformat(frame, size_wh, "rgb24")
            except (av.error.FFmpegError, ValueError) as error:
                raise SourceError(
                    f"cannot convert pixel format {frame.format.name} to RGB: {error}"
                ) from error
        # A view of FFmpeg's buffer where its rows are packed; a copy where they are padded.
        image: UInt8Array = np.ascontiguousarray(rgb.to_ndarray())
        if not _truncates(frame):
            return image
        rounded: UInt8Array = np.empty(image.shape, np.uint8)
        cv2.add(image, _ROUNDING, dst=rounded)
        return rounded

    def _reformat(
        self, frame: av.VideoFrame, size_wh: tuple[int, int], pixel_format: str
    ) -> av.VideoFrame:
        matrix = color_matrix(frame)
        return self._reformatter.reformat(
            frame,
            width=size_wh[0],
            height=size_wh[1],
            format=pixel_format,
            src_colorspace=matrix,
            dst_colorspace=matrix,
            interpolation=Interpolation.BICUBIC,
            dst_color_range=ColorRange.JPEG,
            threads=1,
        )

    def _tone_mapped(self, frame: av.VideoFrame, size_wh: tuple[int, int]) -> UInt8Array:
        key = (size_wh, int(frame.color_trc), int(frame.color_primaries))
        if self._mapper is None or self._mapper.key != key:
            self._mapper = ToneMapper(*key)
        return self._mapper.map(self._reformat(self._planar(frame), size_wh, "rgb48le"))

    def _planar(self, frame: av.VideoFrame) -> av.VideoFrame:
        """The same picture as a CPU would have decoded it: swscale converts interleaved colours in
        another, less exact way, by up to 15 levels."""
        planar = _PLANAR.get(frame.format.name)
        return frame if planar is None else self._rearranger.reformat(frame, format=planar)


class DecodedPicture:
    """A decoded picture, turned upright and made RGB on demand.

    Args:
        frame: as it left the decoder.
        converter: of the stream.
        sample_aspect: width of a pixel divided by its height; None or 0: square.
        turn: how to turn and mirror it; None: by the frame's own rotation, without mirroring.
    """

    __slots__ = ("_aspect", "_converter", "_frame", "_turn")

    def __init__(
        self,
        frame: av.VideoFrame,
        converter: RgbConverter,
        sample_aspect: Fraction | None,
        turn: Turn | None = None,
    ) -> None:
        self._frame = frame
        self._converter = converter
        self._aspect = sample_aspect
        self._turn = turn or _turn_of_angle(frame.rotation)

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height of the upright picture, in square pixels."""
        width, height = square_size(self._frame.width, self._frame.height, self._aspect)
        return (width, height) if self._turn[0] else (height, width)

    def to_rgb(self) -> UInt8Array:
        """The upright picture, (H, W, 3) uint8 RGB, contiguous.

        Raises:
            SourceError: the picture cannot be converted.
        """
        size = square_size(self._frame.width, self._frame.height, self._aspect)
        image = self._converter.convert(self._frame, size)
        if self._turn == _IDENTITY:
            return image
        return np.ascontiguousarray(_TURNS[self._turn](image))

    def planes(self, image: UInt8Array) -> Planes | None:
        """The decoder's own planes, where they show `image` pixel by pixel, and in the colours that
        a video of this size has."""
        frame = self._frame
        width, height = frame.width, frame.height
        if (
            frame.format.name != "yuv420p"
            or width % 2
            or height % 2
            or image.shape != (height, width, 3)
            or self._turn != _IDENTITY
            or frame.color_range == ColorRange.JPEG
            or is_hdr(frame)
            or color_matrix(frame) != usual_matrix(width, height)
            or any(plane.line_size < plane.width for plane in frame.planes)  # upside down
        ):
            return None
        luma, blue, red = (_plane(plane) for plane in frame.planes)
        return Planes(luma, blue, red, image)


def _plane(plane: Any) -> UInt8Array:
    """(h, w) uint8, a view of FFmpeg's memory."""
    rows = np.frombuffer(plane, np.uint8)[: plane.height * plane.line_size]
    return rows.reshape(plane.height, plane.line_size)[:, : plane.width]


def high_definition(width: int, height: int) -> bool:
    """Whether players take a video of this size for BT.709, where it doesn't say; below it is
    BT.601."""
    return width >= 1280 or height > 576


def _has_alpha(frame: av.VideoFrame) -> bool:
    # A palette may hold transparent colours, and its only component is the number in it.
    return frame.format.name == "pal8" or any(c.is_alpha for c in frame.format.components)


def _on_white(rgba: UInt8Array) -> UInt8Array:
    """What a viewer shows: what is transparent lets a white page shine through."""
    image: UInt8Array = np.ascontiguousarray(rgba[:, :, :3])
    alpha = rgba[:, :, 3:]
    if alpha.min() == 255:
        return image
    weighted = image.astype(np.uint16) * alpha + 255 * (255 - alpha.astype(np.uint16))
    flat: UInt8Array = ((weighted + 127) // 255).astype(np.uint8)
    return flat


def _truncates(frame: av.VideoFrame) -> bool:
    """Whether swscale takes its fast way for this picture, which cuts fractions off.

    Measured on 400 colours, limited range, 4:2:0 and 4:2:2: 1.0 levels too dark in red and blue
    and 1.5 in green. Its exact way takes six times as long; adding one takes a tenth of the fast.
    """
    components = frame.format.components
    subsampled = len(components) > 1 and components[1].width < components[0].width
    return subsampled and not frame.format.is_rgb and frame.color_range != ColorRange.JPEG


def color_matrix(frame: av.VideoFrame) -> Colorspace:
    """The matrix that the picture's YUV was made with.

    Where the stream doesn't say, the rule of mpv, VLC and browsers is followed: BT.709 from high
    definition on, BT.601 below. swscale and the ffmpeg command would take BT.601 for every size,
    but high-definition video is made with BT.709, tagged or not.
    """
    tagged = _MATRICES.get(int(frame.colorspace))
    if tagged is not None:
        return tagged
    return usual_matrix(frame.width, frame.height)


def usual_matrix(width: int, height: int) -> Colorspace:
    """The matrix that players assume for a size."""
    return Colorspace.ITU709 if high_definition(width, height) else Colorspace.ITU601


def square_size(width: int, height: int, sample_aspect: Fraction | None) -> tuple[int, int]:
    """Size of a picture once its pixels are square; only ever enlarges, so no detail is lost.

    Args:
        width: coded, in pixels.
        height: coded, in pixels.
        sample_aspect: width of a pixel divided by its height; None or 0: square.
    """
    if not sample_aspect or not 1 / _LARGEST_ASPECT <= sample_aspect <= _LARGEST_ASPECT:
        return width, height
    if sample_aspect > 1:
        return round(width * sample_aspect), height
    return width, round(height / sample_aspect)


def _turn_of_angle(counter_clockwise_deg: int) -> Turn:
    quarter = round(counter_clockwise_deg / 90) % 4
    return (_IDENTITY, (0, -1, 1, 0), (-1, 0, 0, -1), (0, 1, -1, 0))[quarter]
