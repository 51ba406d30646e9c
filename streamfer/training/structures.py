"""Writes the structures of the shipped networks beside their weights:

python -m streamfer.training.structures [--out folder]

Run it whenever the code of a network changes, or the shape of its weights; not when only their
values do.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from streamfer.models.shipped import SHIPPED, WeightFiles
from streamfer.models.structure_networks import make_structure
from streamfer.models.structures import FILES_OF, structure_path
from streamfer.training.runs.command import run_command
from streamfer.training.whole_file import whole_file


def structure_files(weights: WeightFiles) -> dict[str, Path]:
    """The files of weights by what structures call them."""
    return {
        "classifier": weights.classifier,
        "encoder": weights.encoder,
        "generator": weights.generator,
        "heads": weights.fused_heads,
    }


def write_structures(names: Iterable[str], files: Mapping[str, Path], folder: Path) -> list[Path]:
    """Writes structures, each whole or not at all.

    Args:
        names: of `FILES_OF`.
        files: of weights, by what structures call them.
        folder: where to.

    Returns:
        The files.

    Raises:
        EngineError: a file of weights is missing, damaged or of another kind.
        OutputError: a structure cannot be written.
    """
    written = []
    for name in names:
        path = structure_path(name, folder)
        made = make_structure(name, {key: files[key] for key in FILES_OF[name]})
        with whole_file(path) as file:
            file.write(made)
        written.append(path)
    return written


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m streamfer.training.structures",
        description="Writes the ONNX structures of the shipped networks.",
    )
    parser.add_argument("--out", type=Path, default=SHIPPED.folder)
    options = parser.parse_args(arguments)

    def command() -> None:
        for path in write_structures(FILES_OF, structure_files(SHIPPED), options.out):
            print(f"{path}: {path.stat().st_size / 1000:.0f} kB")

    return run_command(command)


if __name__ == "__main__":
    sys.exit(main())
