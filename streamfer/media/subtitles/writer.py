"""Writes a stream's subtitles while it is analysed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from streamfer.errors import ConfigError, OutputError
from streamfer.media.files.claims import OutputClaims
from streamfer.media.files.output_file import OutputFile
from streamfer.media.files.output_path import check_folder, reason
from streamfer.media.files.series import FileSeries
from streamfer.media.subtitles.cues import Cue, CueBuilder, OrderedCues
from streamfer.media.subtitles.timed_text import TEXT_FORMATS, CueText
from streamfer.media.subtitles.wording import Wording
from streamfer.types import Frame, FrameResult, StreamInfo


def check_subtitles_path(path: Path) -> None:
    """Finds out before a run whether subtitles can be written there.

    Raises:
        ConfigError: the suffix names no format.
        OutputError: the folder is missing, or the path is one.
    """
    if path.suffix.lower() not in TEXT_FORMATS:
        raise ConfigError(
            f"{path}: subtitles are written as {', '.join(TEXT_FORMATS)}; the name must end in one"
            " of them"
        )
    check_folder(path, "subtitles")


class SubtitleWriter:
    """The subtitles of one stream, used by one thread.

    A cue is written when it has ended and none that began before it goes on, so that they stand in
    the order of their beginnings; whatever is written is a valid file at any moment. Of whom a cue
    is stands in it from the moment there are several. Where the picture's size changes, or `roll`
    is called, they go on in a new file, as the video does.

    Args:
        path: the (first) file.
        info: the stream.
        wording: what cues say.
        claims: the run's.
        from_zero: whether the first frame is at 0 s in the first file, as it is in every further
            one; else times are those of the input.

    Raises:
        ConfigError: the suffix names no format.
        OutputError: the path cannot be written, or is an input.
    """

    def __init__(
        self,
        path: Path,
        info: StreamInfo,
        wording: Wording,
        claims: OutputClaims,
        *,
        from_zero: bool,
    ) -> None:
        check_subtitles_path(path)
        self.name = str(path)
        self._path = path
        self._format = TEXT_FORMATS[path.suffix.lower()]
        self._wording = wording
        self._from_zero = from_zero
        self._series = FileSeries(claims, path, info.unrepeatable, stream=info.stream)
        self._file: OutputFile | None = None
        self._broken = False
        self._key: tuple[int, int, int] | None = None
        self._zero_s = 0.0
        """Media time at which the file begins."""
        self._written = 0
        """Cues in the file."""
        self._begin_cues()

    @property
    def notes(self) -> tuple[str, ...]:
        """What the run's summary has to say about this output, one sentence each."""
        return (self._series.note,) if self._series.note else ()

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files written so far, without one that could not be completed."""
        paths = self._series.paths
        return tuple(paths[:-1] if self._broken else paths)

    def write(self, result: FrameResult) -> None:
        """Takes one frame, and writes the cues whose turn it is.

        Raises:
            OutputError: they cannot be written; the file keeps what it has.
        """
        if self._broken:
            return
        frame = result.frame
        height, width = frame.image.shape[:2]
        key = (frame.segment, width, height)
        if self._file is not None and key != self._key:
            self.roll()
        if self._file is None:
            self._key = key
            self._start_file(frame)
        self._append(self._cues.add(cue_record(result)))

    def roll(self) -> None:
        """Completes the current file; the next frame starts a new one.

        Raises:
            OutputError: the rest of its cues cannot be written.
        """
        if self._file is None:
            return
        try:
            self._append(self._cues.finish())
        finally:
            if self._file is not None:
                self._file.close()
                self._file = None
        self._begin_cues()

    def close(self) -> None:
        """Completes the subtitles; closing twice is fine.

        Raises:
            OutputError: the rest of its cues cannot be written.
        """
        self.roll()

    def _begin_cues(self) -> None:
        self._builder = CueBuilder()
        self._cues = OrderedCues(self._builder)

    def _start_file(self, frame: Frame) -> None:
        continues = bool(self._series.count)
        self._zero_s = frame.time_s if self._from_zero or continues else 0.0
        self._written = 0
        height, width = frame.image.shape[:2]
        try:
            self._file = OutputFile(self._series.next(frame))
        except OSError as error:
            raise self._failure(error) from error
        self._write(self._format.header(frame.stream, (width, height)))

    def _append(self, cues: list[Cue]) -> None:
        assert self._key is not None
        _, width, height = self._key
        texts = []
        for cue in cues:
            self._written += 1
            said = CueText(self._moved(cue), self._text(cue), self._wording.person(cue.track))
            texts.append(self._format.cue(self._written, said, (width, height)))
        if texts:
            self._write("".join(texts))

    def _text(self, cue: Cue) -> str:
        if self._builder.several or self._wording.names:
            return self._wording.says(cue.track, cue.emotion)
        return self._wording.label(cue.emotion)

    def _moved(self, cue: Cue) -> Cue:
        start_s, end_s = cue.start_s - self._zero_s, cue.end_s - self._zero_s
        return Cue(cue.track, cue.emotion, start_s, end_s, cue.box_xyxy)

    def _write(self, text: str) -> None:
        file = self._file
        assert file is not None
        size = file.tell()
        try:
            # Names of files may hold what is no text in UTF-8; they come into ASS as its title.
            file.write(text.encode("utf-8", "replace"))
        except OSError as error:
            self._broken = True
            self._file = None
            file.cut(size)
            if size:
                file.close()
            else:
                file.discard()
            raise self._failure(error) from error

    def _failure(self, error: OSError) -> OutputError:
        self._broken = True
        return OutputError(f"{self._path}: cannot write the subtitles ({reason(error)})")


def cue_record(result: FrameResult) -> dict[str, Any]:
    """What cues are made from, as the records have it."""
    return {
        "time_s": result.frame.time_s,
        "faces": [
            {
                "track": face.track_id,
                "emotion": face.emotion,
                "trust": face.trust,
                "box": face.detection.box_xyxy.tolist(),
            }
            for face in result.faces
        ],
    }
