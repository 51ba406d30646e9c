"""Draws a line between two generators: `python -m streamfer.training.interpolate`.

A generator that has learnt to redraw faces is soft; the same one after a short game against a
discriminator is sharp, and distorts. The networks between the two are better than either (network
interpolation: Wang et al., *ESRGAN*, 2018, section 3.4), since the second began as the first.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from streamfer.errors import ConfigError
from streamfer.models.storage import load_generator, save_generator
from streamfer.models.stylegan2 import Generator
from streamfer.training.runs.command import run_command


@torch.no_grad()
def interpolated(first: Generator, second: Generator, share: float) -> Generator:
    """A generator whose weights lie between those of two others.

    Args:
        first: where the line begins.
        second: where it ends; trained on from `first`, or the weights between draw nothing.
        share: 0 to 1, of `second`.

    Raises:
        ConfigError: the shapes differ, or the share is no share.
    """
    if first.config != second.config:
        raise ConfigError("the two generators have different shapes")
    if not 0 <= share <= 1:
        raise ConfigError(f"a share lies between 0 and 1, not at {share:g}")
    between = Generator(first.config)
    ends = first.state_dict(), second.state_dict()
    between.load_state_dict(
        {name: torch.lerp(ends[0][name], ends[1][name], share) for name in between.state_dict()}
    )
    return between


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m streamfer.training.interpolate",
        description="Writes a generator between one and what it became by more training.",
    )
    parser.add_argument("--first", type=Path, required=True, help="generator.safetensors")
    parser.add_argument("--second", type=Path, required=True, help="the same after more training")
    parser.add_argument("--share", type=float, required=True, help="of the second, 0 to 1")
    parser.add_argument("--out", type=Path, required=True, help="file to write")
    return run_command(lambda: _interpolate(parser.parse_args(arguments)))


def _interpolate(options: argparse.Namespace) -> None:
    first, second = load_generator(options.first), load_generator(options.second)
    between = interpolated(first, second, options.share)
    save_generator(between, options.out, {"interpolated": f"{options.share:g}"})


if __name__ == "__main__":
    sys.exit(main())
