"""The classifier's training, repeated with several seeds."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from rich.console import Console

from streamfer.training.vgg.classifier_run import ClassifierConfig, TrainingFiles

Train = Callable[[ClassifierConfig, TrainingFiles, Console | None], object]
"""As `train_classifier`."""


def train_seeds(
    train: Train,
    config: ClassifierConfig,
    files: TrainingFiles,
    seeds: int,
    console: Console | None = None,
) -> dict[str, Any]:
    """Trains with so many seeds, from the configured one on, each in a folder `seed-N` of its own.

    Writes `seeds.json` into `files.out`.

    Returns:
        What that file holds: the accuracy of the best epoch `per_seed`, their `mean` and sample
        standard deviation `sd` (null for one seed).

    Raises:
        ConfigError, EngineError, OutputError: as `train_classifier`.
    """
    per_seed: dict[str, float] = {}
    for seed in range(config.seed, config.seed + seeds):
        out = files.out / f"seed-{seed}"
        train(replace(config, seed=seed), replace(files, out=out), console)
        rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
        per_seed[str(seed)] = max(row["mean_accuracy"] for row in rows)
    values = list(per_seed.values())
    figures = {
        "per_seed": per_seed,
        "mean": float(np.mean(values)),
        "sd": float(np.std(values, ddof=1)) if len(values) > 1 else None,
    }
    (files.out / "seeds.json").write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    return figures
