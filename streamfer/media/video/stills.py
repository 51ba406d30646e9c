"""Single pictures and times out of a video file, for looking things up after a run."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from streamfer.errors import OutputError, SourceError
from streamfer.media.files.claims import ClaimedPath
from streamfer.media.files.output_file import OutputFile
from streamfer.media.sources.demux import decoded, demuxed
from streamfer.media.sources.media_file import is_known_sound, open_media_file, video_stream
from streamfer.media.sources.named_file import readable_path
from streamfer.media.sources.picture import DecodedPicture, RgbConverter
from streamfer.types import UInt8Array

Seconds = npt.NDArray[np.float64]


def frame_times(path: Path) -> Seconds:
    """When the frames of a video are shown, read from its packets without decoding them.

    Args:
        path: of the video.

    Returns:
        (n,) float64 seconds, ascending, the first 0.

    Raises:
        SourceError: it cannot be read.
    """
    with _readable(path), closing(open_media_file(path)) as container:
        stream = video_stream(container, path)
        ticks = sorted(p.pts for p in demuxed(container, stream) if p.pts is not None and p.size)
        tick_s = float(stream.time_base)  # the stream is gone with its container
    times = np.array(ticks, np.float64) * tick_s
    return times - times[0] if len(times) else times


def read_stills(path: Path, times_s: Sequence[float]) -> Generator[UInt8Array, None, None]:
    """The frames that are shown at given times.

    Args:
        path: of the video.
        times_s: seconds since its first frame, ascending.

    Yields:
        (H, W, 3) uint8 RGB, upright, for each time, as long as the video lasts.

    Raises:
        SourceError: it cannot be read.
    """
    with _readable(path), closing(open_media_file(path)) as container:
        stream = video_stream(container, path)
        start = stream.start_time or 0
        converter = RgbConverter()
        for time_s in times_s:
            wanted = start + round(time_s / stream.time_base)
            container.seek(wanted, stream=stream)
            picture = next(
                (f for f in decoded(container, stream) if f.pts is not None and f.pts >= wanted),
                None,
            )
            if picture is None:
                return
            yield DecodedPicture(picture, converter, stream.sample_aspect_ratio).to_rgb()


def is_seekable(path: Path) -> bool:
    """Whether a browser finds its way in an MP4 file: its index stands in one piece.

    Raises:
        SourceError: it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(1 << 16)
    except OSError as error:
        raise SourceError(f"cannot open {readable_path(path)}: {error.strerror}") from error
    return head[4:8] == b"ftyp" and b"mvex" not in head and b"moof" not in head


def remux(path: Path, target: ClaimedPath) -> None:
    """Copies a video into an MP4 file whose index stands in one piece; nothing is encoded anew.

    Raises:
        OutputError: it cannot be written, or MP4 cannot hold it.
        SourceError: it cannot be read.
    """
    with closing(open_media_file(path)) as container:
        stream = video_stream(container, path)
        try:
            output_file = OutputFile(target)
        except OSError as error:
            raise OutputError(f"{target}: cannot write ({error.strerror})") from error
        try:
            with av.open(output_file, "w", format="mp4") as output:
                known = [audio for audio in container.streams.audio if is_known_sound(audio)]
                kept = [stream, *known[:1]]
                copies = {each.index: output.add_stream_from_template(each) for each in kept}
                for packet in demuxed(container, kept):
                    if packet.dts is not None:
                        packet.stream = copies[packet.stream.index]
                        output.mux(packet)
        except (av.error.FFmpegError, ValueError, OSError) as error:
            output_file.discard()
            raise OutputError(f"{target}: cannot copy {readable_path(path)} ({error})") from error
        output_file.close()


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except av.error.FFmpegError as error:
        raise SourceError(f"{readable_path(path)}: cannot be read ({error.strerror})") from error
