from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from streamfer.app.config import RunConfig
from streamfer.app.session.outputs import check_outputs, output_path, write_text
from streamfer.errors import ConfigError, OutputError, StreamferError
from streamfer.media.files.claims import ClaimedPath
from streamfer.media.sources.kinds import SourceKind
from streamfer.media.sources.source_list import SourceSpec


def specs(*streams: str) -> list[SourceSpec]:
    """Files of these names, which need not exist."""
    return [SourceSpec(SourceKind.FILE, stream, f"{stream}.mp4") for stream in streams]


def test_a_path_gets_the_stream_s_name() -> None:
    assert output_path(Path("out/{stream}.mp4"), "talk") == Path("out/talk.mp4")
    assert output_path(Path("{stream}/{stream}.mkv"), "a") == Path("a/a.mkv")


def test_good_outputs_pass_and_their_folder_is_made(tmp_path: Path) -> None:
    config = RunConfig(output=tmp_path / "new" / "{stream}.mp4", records=tmp_path / "records.jsonl")
    check_outputs(config, specs("a", "b"), [tmp_path / "a.mp4"])
    assert (tmp_path / "new").is_dir()


@pytest.mark.parametrize(
    ("options", "streams", "kind", "message"),
    [
        ({"output": "x.mp4"}, ["a", "b"], ConfigError, "2 streams would overwrite each other"),
        ({"output": "input.mp4"}, ["a"], ConfigError, "is the input"),
        ({"records": "input.mp4"}, ["a"], ConfigError, "is the input"),
        ({"output": "link.mp4"}, ["a"], ConfigError, "is the input"),
        ({"output": "x.mp4", "json_summary": "x.mp4"}, ["a"], ConfigError, "the same file as"),
        ({"records": "{stream}.txt"}, ["a", "b"], ConfigError, "must end in"),
        ({"records": "{stream}.jsonl", "json_summary": "b.jsonl"}, ["a", "b"], ConfigError, "same"),
        ({"latents": "{stream}.parquet"}, ["a"], ConfigError, "share one file"),
        ({"latents": "x.csv"}, ["a"], ConfigError, "must end in"),
        ({"latents": "x.parquet", "records": "x.parquet"}, ["a"], ConfigError, "the same file as"),
        (
            {"records": "r.csv", "json_summary": "r.csv.header.json"},
            ["a"],
            ConfigError,
            "same file",
        ),
        (
            {"latents": "l.parquet", "save_config": "l.parquet.journal.arrows"},
            ["a"],
            ConfigError,
            "same file",
        ),
        ({"records": "x.txt"}, ["a"], ConfigError, "must end in"),
        ({"output": "x.avi"}, ["a"], ConfigError, "must end in"),
        ({"output": "folder"}, ["a"], OutputError, "is a folder"),
        ({"output": "input.mp4/x.mp4"}, ["a"], OutputError, "cannot make its folder"),
    ],
)
def test_bad_outputs_are_refused_before_anything_is_opened(
    tmp_path: Path,
    options: dict[str, str],
    streams: list[str],
    kind: type[StreamferError],
    message: str,
) -> None:
    source = tmp_path / "input.mp4"
    source.write_bytes(b"video")
    (tmp_path / "link.mp4").symlink_to(source)
    (tmp_path / "folder").mkdir()
    paths: dict[str, Any] = {key: tmp_path / value for key, value in options.items()}
    with pytest.raises(kind, match=message):
        check_outputs(RunConfig(**paths), specs(*streams), [source])
    assert source.read_bytes() == b"video"


def test_a_folder_that_may_not_be_looked_into_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stat = os.stat

    def closed(path: Any, **options: Any) -> os.stat_result:
        if Path(path).parent == tmp_path:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return stat(path, **options)

    monkeypatch.setattr(os, "stat", closed)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(OutputError, match="not writable"):
        check_outputs(RunConfig(records=tmp_path / "x.jsonl"), specs("a"), [])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_folder_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="not writable"):
        check_outputs(RunConfig(output=tmp_path / "x.mp4"), specs("a"), [])


def test_text_that_cannot_be_written_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="No such file"):
        write_text(ClaimedPath(tmp_path / "none" / "x.json"), "{}")


def test_a_name_that_cannot_be_written_is_named_alone(tmp_path: Path) -> None:
    name = os.fsdecode(b"na\xe9.mp4")
    with pytest.raises(OutputError) as raised:
        write_text(ClaimedPath(tmp_path / "c.toml"), f'crf = 20\nsource = ["{name}"]\nloop = 1\n')
    assert str(raised.value).endswith(r"""is not UTF-8: 'source = ["na\udce9.mp4"]'""")
