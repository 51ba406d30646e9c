"""Which stream of the records an input is held against."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from streamfer.app.cli.main import main
from streamfer.errors import ConfigError
from streamfer.media.verify.outputs import verify_outputs


def with_two_streams(healthy: tuple[Path, Path], folder: Path, *sources: Path) -> Path:
    """Records of two streams, of which the second lacks its last frame."""
    header, *frames = [json.loads(line) for line in healthy[1].read_text().splitlines()]
    header["streams"] = [
        header["streams"][0] | {"stream": name, "source": str(source)}
        for name, source in zip(("talk", "talk-2"), sources, strict=True)
    ]
    lines = [header, *frames, *(frame | {"stream": "talk-2"} for frame in frames[:-1])]
    records = folder / "both.jsonl"
    records.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return records


@pytest.fixture
def twins(clip: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Two inputs of one name in two folders."""
    paths = tmp_path / "a" / "talk.mp4", tmp_path / "b" / "talk.mp4"
    for path in paths:
        path.parent.mkdir()
        shutil.copy(clip, path)
    return paths


def test_inputs_of_one_name_are_told_apart_by_their_paths(
    healthy: tuple[Path, Path], twins: tuple[Path, Path], tmp_path: Path
) -> None:
    records = with_two_streams(healthy, tmp_path, *twins)
    assert verify_outputs(twins[0], None, records) == []
    (difference,) = verify_outputs(twins[1], None, records)
    assert "39 records of 40 frames" in difference


def test_where_only_the_name_is_the_same_it_asks(
    healthy: tuple[Path, Path],
    clip: Path,
    twins: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    records = with_two_streams(healthy, tmp_path, *twins)
    with pytest.raises(ConfigError, match=r"streams talk, talk-2 may all .* name one with --str"):
        verify_outputs(clip, None, records)
    assert verify_outputs(clip, None, records, stream="talk") == []
    arguments = ["verify", str(clip), str(healthy[0]), str(records)]
    assert main(arguments) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert main([*arguments, "--stream", "talk"]) == 0
    assert main([*arguments, "--stream", "talk-2"]) == 1


def test_a_stream_that_there_is_not_is_a_difference(healthy: tuple[Path, Path], clip: Path) -> None:
    differences = verify_outputs(clip, None, healthy[1], stream="other")
    assert differences[0].endswith("no stream of theirs is called other")


def test_a_single_stream_is_the_inputs_whatever_it_is_called(
    healthy: tuple[Path, Path], clip: Path, tmp_path: Path
) -> None:
    moved = shutil.copy(clip, tmp_path / "moved.mp4")
    assert verify_outputs(moved, None, healthy[1]) == []


def test_segments_of_records_are_read_where_they_are_asked_for(
    healthy: tuple[Path, Path], clip: Path, tmp_path: Path
) -> None:
    header, *frames = healthy[1].read_text().splitlines(keepends=True)
    first = tmp_path / "r.jsonl"
    first.write_text("".join([header, *frames[:25]]))
    (tmp_path / "r.1.jsonl").write_text("".join([header, *frames[25:]]))
    assert "25 records of 40 frames" in verify_outputs(clip, None, first)[0]
    assert verify_outputs(clip, None, first, segments=True) == []
