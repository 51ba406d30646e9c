from __future__ import annotations

import random
from pathlib import Path

import pytest

from streamfer.app.session.shards import in_shard, parse_shard
from streamfer.errors import ConfigError
from streamfer.media.sources.kinds import SourceKind
from streamfer.media.sources.source_list import SourceSpec
from tests.support.clips import ClipSpec, make_clip
from tests.support.program import record_lines, streamfer


def files(*names: str, folder: str = "clips") -> list[SourceSpec]:
    return [SourceSpec(SourceKind.FILE, Path(n).stem, f"{folder}/{n}") for n in names]


NAMES = [f"interview {number}.mp4" for number in range(200)]


def test_every_source_is_in_exactly_one_shard() -> None:
    parts = [in_shard(files(*NAMES), f"{number}/7") for number in range(1, 8)]
    names = [spec.location for part in parts for spec in part]
    assert sorted(names) == sorted(spec.location for spec in files(*NAMES))
    assert min(len(part) for part in parts) > 10


def test_neither_order_nor_folder_nor_neighbours_move_a_source() -> None:
    mixed = random.Random(0).sample(NAMES, 50)
    alone = {Path(s.location).name for s in in_shard(files(*mixed, folder="/mnt/x"), "2/3")}
    among_all = {Path(s.location).name for s in in_shard(files(*NAMES), "2/3")}
    assert alone == among_all & set(mixed)


def test_without_a_shard_all_is_taken() -> None:
    assert in_shard(files("a.mp4", "b.mp4"), None) == files("a.mp4", "b.mp4")


@pytest.mark.parametrize(
    "wrong", ["", "1", "0/3", "4/3", "1/0", "-1/3", "1/3/5", "a/b", "1/ 3", "٣/٤"]
)
def test_what_is_no_shard_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigError, match="--shard: expected I/N"):
        parse_shard(wrong)


def test_jobs_share_a_folder_out(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    for name in "abcd":
        make_clip(folder / f"{name}.mp4", ClipSpec(frames=2))
    for number in (1, 2):
        ended = streamfer(
            capfd,
            *("run", folder, "--shard", f"{number}/2", "--no-refine", "--no-display", "--quiet"),
            *("--records", tmp_path / "out" / "{stream}.jsonl"),
        )
        assert ended.code == 0
    written = sorted((tmp_path / "out").iterdir())
    assert [path.stem for path in written] == ["a", "b", "c", "d"]
    assert all(len(record_lines(path)) == 3 for path in written)
