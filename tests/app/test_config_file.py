from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from streamfer.app.cli.run_options import merged_config
from streamfer.app.config import RunConfig, resolve
from streamfer.app.config_file import anchored, load_config, to_text
from streamfer.errors import ConfigError
from streamfer.media.video.network import network_address
from tests.support.clips import ClipSpec, make_clip
from tests.support.program import frame_records, streamfer


def merged(path: Path, text: str, *sources: str, **given: Any) -> RunConfig:
    path.write_text(text, encoding="utf-8")
    return merged_config(list(sources) or None, path, given)


def test_relative_paths_are_taken_from_the_file(tmp_path: Path) -> None:
    config = merged(
        tmp_path / "a.toml",
        'source = ["in/a.mp4", "/abs/b.mp4", "0", "/dev/video1", "camera:2", "demo:", "screen:",'
        ' "rtsp://cam/1", "lavfi:testsrc2", "-"]\noutput = "out/{stream}.mp4"',
        records=Path("here.jsonl"),
    )
    assert config.source == (
        str(tmp_path / "in/a.mp4"), "/abs/b.mp4", "0", "/dev/video1", "camera:2", "demo:",
        "screen:", "rtsp://cam/1", "lavfi:testsrc2", "-",
    )  # fmt: skip
    assert config.output == tmp_path / "out" / "{stream}.mp4"
    assert config.records == Path("here.jsonl")  # typed: from where the user is
    assert config.snapshot_dir == RunConfig().snapshot_dir


def test_addresses_to_send_to_are_no_paths(tmp_path: Path) -> None:
    address = "rtsp://bot:s3cret@media.example.org/live.mp4"
    config = merged(tmp_path / "a.toml", f'output = "{address}"')
    assert config.output is not None
    assert network_address(str(config.output)) == network_address(address)
    assert "s3cret" not in to_text(config, Path("saved.toml"))


def test_weights_of_one_s_own_lie_beside_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    found = merged(path, 'face-model = "mine/face.safetensors"').face_model
    assert found == str(tmp_path / "mine" / "face.safetensors")
    assert merged(path, 'face-model = "e4e-ffhq"').face_model == "e4e-ffhq"


@pytest.mark.parametrize(
    "address",
    [
        'output = "rtsp://***@media.example.org/live"',
        'webhook = "https://***@hooks.example.org/"',
        'mqtt = "mqtts://***@broker/cams"',
    ],
)
def test_saved_addresses_lack_their_passwords(address: str, tmp_path: Path) -> None:
    name = address.split(" ")[0]
    with pytest.raises(ConfigError, match=rf"{name} = .*passwords are not saved"):
        merged(tmp_path / "a.toml", address)
    typed = {"output": Path("x.mp4"), "webhook": "https://a:b@h/", "mqtt": "mqtt://a:b@h/x"}
    assert getattr(merged(tmp_path / "a.toml", address, **{name: typed[name]}), name) == typed[name]


def test_the_home_directory_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    config = merged(tmp_path / "a.toml", 'source = "~/a.mp4"\nrecords = "~/r.jsonl"')
    assert config.source == (str(tmp_path / "home" / "a.mp4"),)
    assert config.records == tmp_path / "home" / "r.jsonl"
    with pytest.raises(ConfigError, match="records"):
        merged(tmp_path / "a.toml", 'records = "~nobody-of-that-name/r.jsonl"')


@pytest.mark.parametrize(
    "line", ['json-summary = "a\\u0000b"', 'source = ["a\\u0000b"]', 'detector = "a\\u0000b"']
)
def test_no_name_holds_a_character_0(tmp_path: Path, line: str) -> None:
    with pytest.raises(ConfigError, match="holds a character 0"):
        merged(tmp_path / "a.toml", line)


def test_a_key_in_two_spellings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'max-frames' is given in two spellings"):
        merged(tmp_path / "a.toml", "max-frames = 3\nmax_frames = 4")
    assert merged(tmp_path / "a.toml", "max_frames = 4").max_frames == 4


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("crf = 30\n", encoding="utf-8-sig")
    assert load_config(path) == {"crf": 30}


CONFIGS = [
    RunConfig(),
    RunConfig(
        source=("a.mp4", 'odd "name"\\ \t\x7f é 漢 .mp4', "rtsp://cam/1", "0"),
        output=Path("out/{stream}.mp4"),
        records=Path("r.parquet"),
        display=False,
        detect_every="5",
        start=1.5,
        duration=2.0,
        segment=10.0,
        refine=False,
        max_reconnects=0,
        metrics="127.0.0.1:9000",
        device="cuda:1",
        tls_ca=Path("/etc/ca.pem"),
        quiet=True,
    ),
]


@pytest.mark.parametrize("config", CONFIGS, ids=["defaults", "all kinds of values"])
@pytest.mark.parametrize("name", ["saved.toml", "saved.json", "saved"])
def test_what_is_saved_is_read_back(config: RunConfig, name: str, tmp_path: Path) -> None:
    path = tmp_path / "elsewhere" / name
    path.parent.mkdir()
    path.write_text(to_text(config, path), encoding="utf-8")
    values = {field: getattr(config, field) for field in RunConfig.__dataclass_fields__}
    expected = resolve(anchored(values, Path.cwd()), {})
    assert merged_config(None, path, {}) == expected


def test_passwords_are_not_saved_and_missed_when_read(tmp_path: Path) -> None:
    path = tmp_path / "saved.toml"
    config = RunConfig(source=("rtsp://admin:hunter2@cam/1",), crf=30)
    path.write_text(to_text(config, path), encoding="utf-8")
    assert "hunter2" not in path.read_text()
    with pytest.raises(ConfigError, match="passwords are not saved"):
        merged_config(None, path, {})
    again = merged_config(["rtsp://admin:hunter2@cam/1"], path, {})
    assert (again.source, again.crf) == (config.source, 30)


def test_the_file_itself_is_never_written(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    for option in ("save-config", "json-summary"):
        with pytest.raises(ConfigError, match=f"--{option} .*is the input"):
            merged(path, f'{option} = "a.toml"')


def test_a_file_with_stars_in_its_name_is_a_file(tmp_path: Path) -> None:
    assert merged(tmp_path / "a.toml", 'source = "***.mp4"').source == (str(tmp_path / "***.mp4"),)


def test_a_run_can_be_run_again(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    clip, saved = make_clip(tmp_path / "a.mp4", ClipSpec(frames=5)), tmp_path / "conf" / "s.toml"
    records = tmp_path / "r.jsonl"
    options = ["--records", records, "--max-frames", 2, "--no-refine", "--quiet"]
    assert streamfer(capfd, "run", clip, *options, "--save-config", saved).code == 0
    assert tomllib.loads(saved.read_text())["max-frames"] == 2
    records.unlink()
    again = tmp_path / "again.toml"
    assert streamfer(capfd, "run", "--config", saved, "--save-config", again).code == 0
    assert len(frame_records(records)) == 2
    assert again.read_text() == saved.read_text()


@pytest.mark.parametrize("name", ["deep.toml", "deep.json"])
def test_a_file_that_is_nested_too_deeply_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("source = " * name.endswith("toml") + "[" * 99999)
    with pytest.raises(ConfigError, match=f"--config {path}: nested too deeply"):
        load_config(path)
