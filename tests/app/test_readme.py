"""The README promises only what there is, and leaves nothing out."""

from __future__ import annotations

import dataclasses
import inspect
import re
import tomllib
from pathlib import Path

import pytest

from streamfer.app.cli.commands import PROGRAM
from streamfer.app.cli.run_commands import bench_command
from streamfer.app.config import RunConfig
from streamfer.app.config_fields import flag_name
from streamfer.app.config_file import load_config
from streamfer.app.report.export.options import export_command
from streamfer.app.report.find.options import FindConfig
from streamfer.errors import ConfigError, EngineError, OutputError, SourceError
from streamfer.labels import LABELS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
NEGATIONS = {"no-events", "no-display", "no-refine", "no-tls-verify"}
USAGE = (ROOT / "docs" / "usage.md").read_text(encoding="utf-8")
BENCHMARKS = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_the_options_table_is_complete() -> None:
    documented = set(re.findall(r"`--([a-z-]+)`", section("Options").split("|---|---|")[1]))
    options = {flag_name(f.name) for f in dataclasses.fields(RunConfig)} - {"source"}
    assert documented - NEGATIONS == options


def test_every_option_named_anywhere_exists() -> None:
    options = {flag_name(f.name) for f in dataclasses.fields(RunConfig)}
    options |= set(inspect.signature(bench_command).parameters)
    options |= set(inspect.signature(export_command).parameters)
    options |= {f.name for f in dataclasses.fields(FindConfig)}
    named = set(re.findall(r"--([a-z][a-z-]+)", README + USAGE + BENCHMARKS))
    assert named <= options | NEGATIONS | {"help", "json"}


def test_every_command_named_exists() -> None:
    named = set(re.findall(r"streamfer (run|bench|doctor|verify|export|engines|weights)\b", README))
    assert named <= PROGRAM.commands.keys()


def test_every_make_target_named_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"\bmake (\w+)`?", README)) & {"demo", "test", "check", "bench"}:
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE)


@pytest.mark.parametrize(
    "document", ["README.md", "docs/usage.md", "docs/outputs.md", "docs/benchmarks.md"]
)
def test_every_link_leads_somewhere(document: str) -> None:
    path = ROOT / document
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (path.parent / target).exists(), target


def test_labels_are_in_their_order() -> None:
    assert ", ".join(LABELS) in README


def test_exit_codes() -> None:
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", README, flags=re.MULTILINE)}
    errors = (ConfigError, SourceError, OutputError, EngineError)
    assert codes == {0, 130} | {error.exit_code for error in errors}


def test_the_example_configuration_is_one(tmp_path: Path) -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", USAGE, flags=re.DOTALL)
    path = tmp_path / "example.toml"
    path.write_text(text, encoding="utf-8")
    values = load_config(path)
    assert set(values) == {key.replace("-", "_") for key in tomllib.loads(text)}
    RunConfig(**values)
