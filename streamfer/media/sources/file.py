"""Video and image files as a source."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from streamfer.errors import SourceError
from streamfer.media.sources.clip import ClipSource
from streamfer.media.sources.file_decoder import FileDecoder
from streamfer.media.sources.named_file import readable_path
from streamfer.media.sources.picture import RgbConverter
from streamfer.media.sources.pipe import PipeReader, is_pipe
from streamfer.media.sources.playback import ClipFrame, PlaybackOptions
from streamfer.media.sources.sound import TravellingSound
from streamfer.media.sources.timeline import Timeline
from streamfer.types import StreamInfo


class FileSource(ClipSource):
    """A video or image file: lossless, every frame in order, decoded on all cores.

    A pipe (`<(…)`, a FIFO, standard input) is opened once and read once; its sound, if somebody
    wants it, travels beside the frames. An image is a video of one frame. With `realtime` it plays
    at its own rate as a live source.

    Args:
        path: of the file.
        name: of the stream.
        options: what part of it to play, and how.
        clock: monotonic, in seconds.
        hwaccel: FFmpeg's hardware decoder: `cuda`, `vaapi`, …; None decodes on the CPU.
        with_sound: whether somebody takes the sound of a pipe, which is kept until then.
    """

    def __init__(
        self,
        path: Path,
        name: str,
        options: PlaybackOptions | None = None,
        clock: Callable[[], float] = time.monotonic,
        hwaccel: str | None = None,
        with_sound: bool = False,
    ) -> None:
        super().__init__(name, options, clock)
        self._path = path
        self._hwaccel = hwaccel
        self._decoder: FileDecoder | None = None
        self._converter = RgbConverter()
        self._pipe: PipeReader | None = None
        self.is_pipe = is_pipe(path)
        """Whether it can be read only once, and may have to be waited for."""
        travels = self.is_pipe and with_sound
        self.sound = TravellingSound(self._options.start_s) if travels else None
        """Of a pipe; the sound of a file is read from the file."""

    def open(self) -> StreamInfo:
        """Opens the file and decodes its first frame.

        Raises:
            SourceError: it cannot be opened, has no video, or no frame of it can be decoded.
        """
        if self.is_pipe:
            self._open_pipe()
        try:
            with self._reading:
                self._decoder = decoder = self._decode()
        except SourceError as error:
            if self.is_pipe and self._stopped.is_set():
                raise SourceError(
                    f"{readable_path(self._path)}: stopped before a picture came"
                ) from error
            raise
        width, height = decoder.first.picture.size_wh
        return StreamInfo(
            stream=self._name,
            source=readable_path(self._path),
            width=width,
            height=height,
            live=self.live,
            frame_rate=decoder.frame_rate,
            frame_count=self._options.expected_frames(decoder.duration_s, decoder.frame_count),
            duration_s=self._options.expected_end_s(decoder.duration_s),
            from_clip=True,
        )

    def interrupt(self) -> None:
        """Makes `frames` end at the next frame."""
        super().interrupt()
        pipe = self._pipe
        if pipe is not None:
            pipe.interrupt()

    def _free(self) -> None:
        decoder, self._decoder = self._decoder, None
        if decoder is not None:
            decoder.close()
        if self._pipe is not None:
            self._pipe.close()

    def _open_pipe(self) -> None:
        if self._options.loop > 1:
            raise SourceError(
                f"{readable_path(self._path)} is a pipe, and plays once: leave out --loop"
            )
        self._pipe = PipeReader(self._path)
        if self._stopped.is_set():
            self._pipe.interrupt()

    def _timeline(self) -> Timeline:
        if self._decoder is None:
            raise SourceError(f"{readable_path(self._path)} is not open")
        return self._decoder.timeline

    def _round(self, number: int, timeline: Timeline) -> Iterator[ClipFrame]:
        if number > 0:
            self._free()
            self._decoder = self._decode()
        decoder = self._decoder
        return decoder.frames() if decoder is not None else iter(())

    def _decode(self) -> FileDecoder:
        return FileDecoder(
            self._path,
            self._options.start_s,
            self._converter,
            self._hwaccel,
            self._pipe,
            self.sound,
        )
