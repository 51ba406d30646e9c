"""A picture that is stored in pieces, put together."""

from __future__ import annotations

from typing import Any

import av
import numpy as np

from streamfer.errors import SourceError
from streamfer.media.sources.demux import demuxed
from streamfer.media.sources.heif import HeifPicture
from streamfer.media.sources.media_file import MAX_PIXELS
from streamfer.media.sources.picture import RgbConverter
from streamfer.types import UInt8Array


def assemble(container: Any, picture: HeifPicture, converter: RgbConverter) -> av.VideoFrame:
    """Decodes the tiles and lays them out.

    Args:
        container: of the file; its streams are numbered as the tiles.
        picture: a grid.
        converter: of the stream.

    Returns:
        The picture before it is turned, RGB.

    Raises:
        SourceError: it is too large, or a tile is missing or damaged.
    """
    width, height = picture.size_wh or (0, 0)
    if not 0 < width * height <= MAX_PIXELS:
        raise SourceError(f"cannot decode a picture of {width} × {height} pixels")
    canvas: UInt8Array = np.zeros((height, width, 3), np.uint8)
    places = {item: place for place, item in enumerate(picture.tiles)}
    missing = set(places)
    streams = [stream for stream in container.streams.video if stream.id in places]
    try:
        for packet in demuxed(container, streams):
            if packet.stream.id in missing:
                for frame in packet.decode()[:1]:
                    tile = converter.convert(frame, (frame.width, frame.height))
                    _lay(canvas, tile, *divmod(places[packet.stream.id], picture.columns))
                    missing.discard(packet.stream.id)
    except av.error.FFmpegError as error:
        raise SourceError(f"a tile is damaged ({error.strerror})") from error
    if missing:
        raise SourceError(f"{len(missing)} of {len(places)} tiles are missing")
    whole = av.VideoFrame.from_ndarray(canvas, format="rgb24")
    whole.pts = 0
    return whole


def _lay(canvas: UInt8Array, tile: UInt8Array, row: int, column: int) -> None:
    """All tiles are of one size; what reaches beyond the right or lower border is left out."""
    height, width = tile.shape[:2]
    place = canvas[row * height : (row + 1) * height, column * width : (column + 1) * width]
    place[:] = tile[: place.shape[0], : place.shape[1]]
