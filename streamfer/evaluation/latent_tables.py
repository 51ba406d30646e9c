"""The tables of Latent-PER (paper B, Tables 1–4, Fig. 8), and where the latent helps.

Arms of one seed saw the same pictures in the same order, so they are compared in pairs. A claim
takes three seeds that agree on the direction, and McNemar's test on the mean answers of all seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamfer.evaluation.latent_exams import PLAIN, TURNED, Exams
from streamfer.evaluation.latent_runs import Answers, Arm
from streamfer.evaluation.mcnemar import compare_paired
from streamfer.evaluation.metrics import confusion_matrix
from streamfer.labels import LABELS
from streamfer.models.backbones.backbone import BackboneName
from streamfer.models.latent_per import LATENTS, Latent
from streamfer.types import FloatArray

WITH: Latent = "mean"
"""The arm that stands for the latent in Table 1, as the paper has it."""
_SEEDS_OF_A_CLAIM = 3
_SIGNIFICANT = 0.05

Answered = Mapping[Arm, Answers]


def accuracy_figures(
    answered: Answered,
    backbone: BackboneName,
    latent: Latent,
    exam: str,
    exams: Exams,
) -> dict[str, Any]:
    """Accuracy of an arm on an exam: `per_seed`, `mean` and sample standard deviation `sd` (null
    for one seed, both null for none)."""
    per_seed = {
        str(arm.seed): float(_right(answers, exam, exams).mean())
        for arm, answers in sorted(answered.items(), key=lambda entry: entry[0].seed)
        if (arm.backbone, arm.latent) == (backbone, latent)
    }
    values = list(per_seed.values())
    return {
        "per_seed": per_seed,
        "mean": float(np.mean(values)) if values else None,
        "sd": float(np.std(values, ddof=1)) if len(values) > 1 else None,
    }


def comparison(
    answered: Answered,
    backbone: BackboneName,
    exam: str,
    exams: Exams,
    a: Latent = "none",
    b: Latent = WITH,
) -> dict[str, Any] | None:
    """Two arms of a backbone on the same faces; None where no seed has both.

    Returns:
        `difference` (accuracy of b less that of a: `per_seed`, `mean`, `sd`), `mcnemar` of each
        seed and of the mean answers of all (`together`), and the `verdict`: better, worse, no
        difference shown, or fewer than three seeds.
    """
    seeds = [
        arm.seed
        for arm in answered
        if (arm.backbone, arm.latent) == (backbone, a) and Arm(backbone, b, arm.seed) in answered
    ]
    if not seeds:
        return None
    rows, classes = _rows(exam, exams)
    pairs = {
        seed: [
            answered[Arm(backbone, latent, seed)].probs[_source(exam)][rows] for latent in (a, b)
        ]
        for seed in sorted(seeds)
    }
    tests = {seed: _test(first, second, classes) for seed, (first, second) in pairs.items()}
    means = [np.mean([pair[i] for pair in pairs.values()], axis=0) for i in (0, 1)]
    together = _test(means[0], means[1], classes)
    gains = [test["accuracy_b"] - test["accuracy_a"] for test in tests.values()]
    return {
        "a": a,
        "b": b,
        "difference": {
            "per_seed": {str(seed): gain for seed, gain in zip(tests, gains, strict=True)},
            "mean": float(np.mean(gains)),
            "sd": float(np.std(gains, ddof=1)) if len(gains) > 1 else None,
        },
        "mcnemar": {str(seed): test for seed, test in tests.items()},
        "together": together,
        "verdict": _verdict(gains, together["p_value"]),
    }


def _verdict(gains: Sequence[float], p_value: float) -> str:
    if len(gains) < _SEEDS_OF_A_CLAIM:
        return "fewer than three seeds"
    if p_value < _SIGNIFICANT and all(gain > 0 for gain in gains):
        return "better"
    if p_value < _SIGNIFICANT and all(gain < 0 for gain in gains):
        return "worse"
    return "no difference shown"


def all_tables(
    answered: Answered,
    exams: Exams,
    backbones: Sequence[BackboneName],
    latents: Sequence[Latent],
) -> dict[str, Any]:
    """Every table, ready for JSON; what is not trained yet is null.

    Returns:
        `table_1`: each backbone without and with the latent; `tables_2_4`: accuracy by threshold,
        with the number of `indices` kept; `confusion`: counts of all seeds, without and with;
        `where`: the same comparison on every exam.
    """
    names = [*exams.faces, TURNED]
    return {
        "table_1": {
            backbone: {
                "without": accuracy_figures(answered, backbone, "none", PLAIN, exams),
                "with": accuracy_figures(answered, backbone, WITH, PLAIN, exams),
                "comparison": comparison(answered, backbone, PLAIN, exams),
            }
            for backbone in backbones
        },
        "tables_2_4": {
            latent: {
                "indices": _indices(answered, latent),
                **{b: accuracy_figures(answered, b, latent, PLAIN, exams) for b in backbones},
                "against_full": {
                    b: comparison(answered, b, PLAIN, exams, "full", latent) for b in backbones
                }
                if latent != "full"
                else None,
            }
            for latent in LATENTS
            if latent in latents and latent != "none"
        },
        "confusion": {
            backbone: {
                latent: _confusion(answered, backbone, latent, exams) for latent in ("none", WITH)
            }
            for backbone in backbones
        },
        "where": {
            name: {b: comparison(answered, b, name, exams) for b in backbones} for name in names
        },
        "faces": {name: len(_rows(name, exams)[1]) for name in names},
        "labels": list(LABELS),
    }


def _confusion(
    answered: Answered, backbone: BackboneName, latent: Latent, exams: Exams
) -> list[list[int]] | None:
    classes = exams.faces[PLAIN].classes
    parts = [
        confusion_matrix(answers.probs[PLAIN], classes)
        for arm, answers in answered.items()
        if (arm.backbone, arm.latent) == (backbone, latent)
    ]
    return np.sum(parts, axis=0).tolist() if parts else None


def _indices(answered: Answered, latent: Latent) -> int | None:
    return next((a.indices for arm, a in answered.items() if arm.latent == latent), None)


def _source(exam: str) -> str:
    return PLAIN if exam == TURNED else exam


def _rows(exam: str, exams: Exams) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of an exam in its source's answers, and their classes."""
    classes = exams.faces[_source(exam)].classes
    chosen = exams.turned if exam == TURNED else np.ones(len(classes), bool)
    rows = np.flatnonzero(chosen)
    return rows, classes[rows]


def _right(answers: Answers, exam: str, exams: Exams) -> NDArray[np.bool_]:
    rows, classes = _rows(exam, exams)
    return answers.probs[_source(exam)][rows].argmax(axis=1) == classes


def _test(a: FloatArray, b: FloatArray, classes: NDArray[np.int64]) -> dict[str, Any]:
    return asdict(compare_paired(a.argmax(axis=1), b.argmax(axis=1), classes))
