from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from streamfer.app.config import RunConfig, resolve
from streamfer.app.config_file import load_config
from streamfer.app.networks.refiner import RefinementConfig
from streamfer.errors import ConfigError


def written(folder: Path, text: str) -> Path:
    path = folder / "streamfer.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_gives_every_kind_of_value(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
        source = ["a.mp4", "rtsp://camera/1"]
        output = "out/{stream}.mp4"
        detect-every = 5
        min-face = 24
        start = 3
        display = false
        label-set = "fer2013"
        """,
    )
    config = resolve({}, load_config(path))
    assert config.source == ("a.mp4", "rtsp://camera/1")
    assert config.output == Path("out/{stream}.mp4")
    assert config.detection_interval == 5
    assert (config.min_face, config.start, config.display) == (24, 3.0, False)
    assert config.label_set == "fer2013"


def test_the_command_line_wins_over_the_file_over_the_defaults(tmp_path: Path) -> None:
    from_file = load_config(written(tmp_path, "crf = 30\nmin-face = 40"))
    config = resolve({"crf": 18}, from_file)
    assert (config.crf, config.min_face, config.loop) == (18, 40, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("crff = 3", "unknown key 'crff'; did you mean 'crf'"),
        ("max_frame = 3", "did you mean 'max-frames'"),
        ("zzz = 1", "unknown key 'zzz'$"),
        ("crf = 'high'", "crf: expected a number, got 'high'"),
        ("crf = true", "crf: expected a number, got True"),
        ("crf = 1.5", "crf: expected a number, got 1.5"),
        ("backend = 'cuda'", "backend: expected one of auto, tensorrt"),
        ("quiet = 1", "quiet: expected true or false, got 1"),
        ("output = 3", "output: expected a path, got 3"),
        ("source = [1]", "source: expected text or a list of texts"),
        ("source = 1", "source: expected text or a list of texts"),
        ("crf = ", "not TOML"),
    ],
)
def test_a_bad_file_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        load_config(written(tmp_path, text))
    assert "streamfer.toml" in str(raised.value)


def test_a_missing_or_binary_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_config(tmp_path / "none.toml")
    binary = tmp_path / "x.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not TOML"):
        load_config(binary)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"crf": 99}, "--crf: between 0 and 51, got 99"),
        ({"max_frames": 0}, "--max-frames: at least 1, got 0"),
        ({"start": -1.0}, "--start: at least 0.0, got -1.0"),
        ({"start": float("nan")}, "--start: at least 0.0, got nan"),
        ({"detect_every": "often"}, "--detect-every: expected a number of frames or auto"),
        ({"detect_every": "0"}, "--detect-every: expected a number of frames or auto"),
        ({"detect_every": "²"}, "--detect-every: expected a number of frames or auto"),
        ({"detect_every": "9" * 5000}, "--detect-every: expected a number of frames or auto"),
        ({"detect_size": "²²²"}, "--detect-size: expected 64 to 4096 pixels or auto"),
        ({"detect_size": "large"}, "--detect-size: expected 64 to 4096 pixels or auto"),
        ({"detect_size": "32"}, "--detect-size: expected 64 to 4096 pixels or auto"),
        ({"device": "gpu"}, "--device: expected auto, cpu, cuda or cuda:N"),
        ({"device": "cuda:²"}, "--device: expected auto, cpu, cuda or cuda:N"),
        ({"device": "cuda:x"}, "--device: expected auto, cpu, cuda or cuda:N"),
    ],
)
def test_values_out_of_range_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RunConfig(**values)


def test_the_resolved_configuration_can_be_read_back(tmp_path: Path) -> None:
    config = RunConfig(source=("a.mp4",), output=Path("b.mp4"), crf=18)
    values = json.loads(config.to_json())
    assert values["crf"] == 18
    assert values["output"] == "b.mp4"
    assert values["source"] == ["a.mp4"]
    assert values["max-frames"] is None


def test_refinement_has_the_same_defaults_from_python() -> None:
    # Written twice, as importing them would make `--help` load numpy.
    refinement = RefinementConfig()
    assert (RunConfig().refine_every, RunConfig().refine_steps) == (
        refinement.every_s,
        refinement.steps,
    )


def test_rules_are_tables_or_texts(tmp_path: Path) -> None:
    tables = """
    [[event]]
    name = "smile"
    when = "happy > 0.8 for 2 s"
    [[event]]
    when = "face_left for 3 s"
    """
    values = load_config(written(tmp_path, tables))
    assert values == {"event": ("smile: happy > 0.8 for 2 s", "face_left for 3 s")}
    assert load_config(written(tmp_path, 'event = ["faces > 2"]')) == {"event": ("faces > 2",)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[event]]\nname = 'a'", r"\[\[event\]\] 1: has no when"),
        ("[[event]]\nwhen = 'faces > 1'\nif = 'x'", r"\[\[event\]\] 1: .*got if = 'x'"),
        ("[[event]]\nwhen = 3", r"\[\[event\]\] 1: .*got when = 3"),
    ],
)
def test_a_table_of_a_rule_that_is_wrong_is_refused(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(written(tmp_path, text))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"faces": "blurred", "clips": Path("c")}, "--clips cannot go with --faces blurred"),
        ({"faces": "synthetic", "latents": Path("l.parquet")}, "--latents cannot go with --faces"),
        ({"faces": "blurred", "show": "neutral"}, "--show cannot go with --faces"),
        ({"faces": "synthetic", "face_model": "e4e-ffhq"}, "--faces synthetic: needs the shipped"),
        ({"show": "neutral", "face_model": "e4e-ffhq"}, "--show neutral: needs the shipped"),
    ],
)
def test_nothing_may_show_the_faces_that_are_to_be_covered(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        RunConfig(**options)
