"""`streamfer export RECORDS --to FORMAT --out FILE`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from streamfer.app.report.export.options import Format
from streamfer.app.report.faces import reading
from streamfer.app.session.outputs import write_text
from streamfer.errors import ConfigError, OutputError
from streamfer.media.files.claims import ClaimedPath, OutputClaims
from streamfer.media.files.output_path import beside, reason
from streamfer.media.records.formats import CsvRecords, EventLines
from streamfer.media.records.reader import Records, read_records
from streamfer.media.subtitles.annotation import to_eaf, to_textgrid
from streamfer.media.subtitles.edl import to_edl
from streamfer.media.subtitles.timed_text import to_ass, to_srt, to_vtt
from streamfer.media.subtitles.timeline import Timeline, read_timeline
from streamfer.media.subtitles.wording import Language, Wording, parse_names

_OF_A_TIMELINE: Mapping[str, Callable[[Timeline], str]] = {
    "vtt": to_vtt,
    "srt": to_srt,
    "ass": to_ass,
    "eaf": to_eaf,
    "textgrid": to_textgrid,
    "edl": to_edl,
}


def export(
    paths: Sequence[Path],
    to: Format,
    out: Path,
    *,
    language: Language = "en",
    stream: str | None = None,
    names: Sequence[str] = (),
    segments: bool = False,
) -> int:
    """Writes records in another format.

    Args:
        paths: records files, in the order of time.
        to: the format; a timeline of expressions, or a table of the records themselves.
        out: the file, replaced if it exists.
        language: of a timeline's words.
        stream: which stream a timeline is of; None where there is one.
        names: `TRACK=NAME` each.
        segments: whether the files that `--segment` made follow each.

    Returns:
        The exit code, 0.

    Raises:
        ConfigError: options that cannot be, or a stream that there is not.
        SourceError: the records cannot be read.
        OutputError: the file cannot be written.
    """
    records = read_records(*paths, segments=segments)
    claimed = _claimed(out, to, paths, _analysed(records, paths[0].parent))
    if to in _OF_A_TIMELINE:
        wording = Wording(language, parse_names(names, "--name"))
        with reading(paths[0]):
            timeline = read_timeline(records, stream, wording)
        write_text(claimed, _OF_A_TIMELINE[to](timeline))
        print(f"wrote {out}: {len(timeline.cues)} cues of {len(timeline.tracks)} tracks")
        return 0
    if stream is not None or names:
        raise ConfigError(f"--to {to}: holds all streams as they are; --stream, --name don't apply")
    try:
        write = _write_csv if to == "csv" else _write_parquet
        with reading(paths[0], kinds=(KeyError, TypeError, AttributeError)):
            write(records, claimed)
    except (OSError, ValueError) as error:
        raise OutputError(f"{out}: cannot write the records ({reason(error)})") from error
    print(f"wrote {out}")
    return 0


def _write_csv(records: Records, out: ClaimedPath) -> None:
    table = CsvRecords(out, records.header)
    whole = False
    try:
        for frame in records.frames:
            table.frame(frame)
        for event in records.events:
            table.event(event)
        whole = True
    finally:
        table.close()
        if not whole:  # no half of a table stays
            for path in filter(Path.is_file, (out, *_companions(out))):
                path.unlink()


def _write_parquet(records: Records, out: ClaimedPath) -> None:
    from streamfer.media.records.parquet import write_parquet  # pyarrow takes 0.2 s to import

    write_parquet(out, records.header, records.frames)
    events = EventLines(out)
    try:
        for event in records.events:
            events.append(event)
    finally:
        events.close()


def _claimed(out: Path, to: Format, paths: Sequence[Path], analysed: Sequence[Path]) -> ClaimedPath:
    """Makes sure that the file can be, and is none of the records and of what they are of."""
    if to in ("csv", "parquet") and out.suffix.lower() != f".{to}":
        raise ConfigError(f"--out {out}: the name must end in .{to}")
    claims = OutputClaims([*paths, *analysed])
    claims.name("--out", out, _companions)
    if os.path.isdir(out):
        raise OutputError(f"--out {out}: is a folder; name a file")
    if to == "parquet":
        _check_no_journal(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"--out {out}: cannot make its folder ({reason(error)})") from error
    return claims.replace(out, _companions)


def _check_no_journal(out: Path) -> None:
    from streamfer.media.records.parquet import journal_path

    journal = journal_path(out)
    if os.path.exists(journal):  # readers would take it for the file
        raise ConfigError(
            f"--out {out}: beside it lies {journal.name}, which a run that did not end has left;"
            f" move it away, or make a file of it first: streamfer complete {out}"
        )


def _analysed(records: Records, folder: Path) -> list[Path]:
    """The files that records are of, where they were or beside the records."""
    with reading(folder):
        streams = records.header.get("streams", [])
        named = [Path(stream["source"]) for stream in streams if stream.get("source")]
    return [path for each in named for path in (each, folder / each.name) if os.path.isfile(path)]


def _companions(out: Path) -> tuple[Path, ...]:
    return beside(out, "header.json"), beside(out, "events.jsonl")
