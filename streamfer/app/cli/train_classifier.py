"""`streamfer train classifier`: which of two trainings its options are of."""

from __future__ import annotations


def main(arguments: list[str]) -> int:
    """Trains the face classifier, or with `--backbone` one with another trunk, which reads a latent
    code beside it; returns the exit code."""
    if any(argument.split("=")[0] == "--backbone" for argument in arguments):
        from streamfer.training.backbone import main as train_backbone

        return train_backbone(arguments)
    from streamfer.training.classifier import main as train_classifier

    return train_classifier(arguments)
