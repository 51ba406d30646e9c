"""Which face network a run uses, and what belongs to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from streamfer.app.config import RunConfig
from streamfer.app.networks.face_model import face_model
from streamfer.app.networks.own_weights import OwnWeights, own_face_model, read_own_weights
from streamfer.app.networks.portraits import find_portrait, keep_portrait_generator, portrait_model
from streamfer.errors import ConfigError
from streamfer.models.shipped import WeightFiles, file_digest
from streamfer.runtime.model import OnnxModel, Progress
from streamfer.runtime.store.store import EngineStore
from streamfer.vision.trust import TrustModel, load_trust
from streamfer.vision.upright import load_upright


@dataclass(frozen=True, slots=True)
class LatentFiles:
    """What refinement is made of."""

    generator: Path
    classifier: Path


@dataclass(frozen=True, slots=True)
class FaceNetwork:
    """A face network, not opened yet."""

    make: Callable[[], OnnxModel]
    """Exports it, or takes it from the store."""
    latent: LatentFiles | None
    """None where it answers no latent codes, or none are refined."""
    trust: TrustModel | None
    """None where nothing was fitted to it."""
    own: OwnWeights | None = None
    """The user's own weights that it is made of."""


def choose_face_network(
    config: RunConfig, weights: WeightFiles, store: EngineStore, on_progress: Progress
) -> FaceNetwork:
    """The face network that `--face-model` names.

    Args:
        config: of the run.
        weights: those that this project trained.
        store: exported networks.
        on_progress: told of what takes a while.

    Raises:
        ConfigError: latent codes are asked for that it does not answer.
        EngineError: its weights are missing or broken, or the trust model is.
    """
    if config.face_model == "shipped":
        return _shipped(config, weights, store, on_progress)
    if Path(config.face_model).suffix == ".safetensors":
        return _own(config, store, on_progress)
    return _portrait(config, weights, store, on_progress)


def _shipped(
    config: RunConfig, weights: WeightFiles, store: EngineStore, on_progress: Progress
) -> FaceNetwork:
    if config.latents is not None and weights.missing_latent:
        names = ", ".join(path.name for path in weights.missing_latent)
        raise ConfigError(
            f"--latents {config.latents}: weights of the latent networks are missing in"
            f" {weights.folder}: {names}"
        )
    latent = None
    if not weights.missing_latent:
        file_digest(weights.generator)  # those of the face network are taken when it is opened
        latent = LatentFiles(weights.generator, weights.classifier)
    trust = _shipped_trust(config, weights)
    return FaceNetwork(lambda: face_model(weights, store, on_progress), latent, trust)


def _shipped_trust(config: RunConfig, weights: WeightFiles) -> TrustModel | None:
    if not weights.trust.exists():
        return None
    trust = load_trust(weights.trust, config.label_set)
    if weights.missing_latent or not weights.upright.exists():
        return trust
    return replace(trust, upright=load_upright(weights.upright))


def _own(config: RunConfig, store: EngineStore, on_progress: Progress) -> FaceNetwork:
    """A classifier that the user trained. How far its answers can be trusted is not known."""
    own = read_own_weights(Path(config.face_model))
    if config.backbone not in ("any", own.backbone):
        raise ConfigError(
            f"--backbone {config.backbone}: {own.path.name} was trained on {own.backbone}"
        )
    if config.latents is not None and not own.codes:
        raise ConfigError(
            f"--latents {config.latents}: {own.path.name} is a classifier alone and finds no codes"
        )
    return FaceNetwork(lambda: own_face_model(own, store, on_progress), None, None, own)


def _portrait(
    config: RunConfig, weights: WeightFiles, store: EngineStore, on_progress: Progress
) -> FaceNetwork:
    """A pulled encoder. How far expressions read from portraits can be trusted is not known."""
    files = find_portrait(config.face_model, weights.classifier)
    latent = None
    if config.refine:
        keep_portrait_generator(files, on_progress)
        latent = LatentFiles(files.generator, files.classifier)
    return FaceNetwork(lambda: portrait_model(files, store, on_progress), latent, None)
