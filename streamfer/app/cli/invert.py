"""`streamfer invert`: the latent codes of the faces in photographs, and how well they fit."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from rich.console import Console

from streamfer.app.cli.invert_options import InvertConfig
from streamfer.app.config import RunConfig
from streamfer.app.networks.portraits import find_portrait
from streamfer.app.session.faces import FoundFaces, find_faces, read_pictures
from streamfer.app.session.session import Session
from streamfer.errors import OutputError, SourceError
from streamfer.evaluation.engine_inverted import invert_on_engines, open_latent_engines
from streamfer.evaluation.inversion_sheet import inversion_sheet
from streamfer.evaluation.inverted_face import InvertedFace
from streamfer.media.files.claims import OutputClaims
from streamfer.media.files.output_file import write_whole
from streamfer.media.sources.kinds import SourceKind
from streamfer.media.sources.source_list import expand_sources
from streamfer.models.inversion.descent import InversionConfig
from streamfer.models.structures import CLASSIFIER, ENCODER, STEP, fits
from streamfer.runtime.planning import find_machine
from streamfer.runtime.store.store import EngineStore
from streamfer.vision.align import align_face
from streamfer.vision.overlay.sheet import write_png
from streamfer.vision.portrait import align_portrait


def invert(config: InvertConfig, console: Console | None = None) -> int:
    """Aligns, encodes and refines every face and writes what came out.

    For each face `NAME.input.png`, `NAME.encoder.png`, `NAME.refined.png` (at the generator's
    size) and `NAME.npz` (`latent_encoder`, `latent_refined`); for all `contact_sheet.png` and the
    numbers as JSON. The results of an earlier run in the same folder go. A picture that cannot be
    read, or in which no face is found, is passed over; which and why is said and kept beside the
    numbers.

    Returns:
        The exit code: 0, or 3 where no face was found or a picture could not be read.

    Raises:
        ConfigError: an option is wrong.
        SourceError: no picture can be read.
        EngineError: a network is missing or broken.
        OutputError: a result cannot be written.
    """
    console = console or Console()
    inverted = _inverter(config)
    claims = OutputClaims(
        spec.path for spec in expand_sources(config.images) if spec.kind is SourceKind.FILE
    )
    if config.json is not None:
        claims.name("--json", config.json)
    align = align_face if config.face_model == "shipped" else align_portrait
    pictures, passed_over = read_pictures(config.images)
    looking = RunConfig(device=config.device, refine=False, heads="none", display=False, quiet=True)
    with Session.configured(looking) as session:
        found, faceless = find_faces(pictures, session, align)
    passed_over += faceless
    faces = inverted(found)
    try:
        _write(faces, found, passed_over, config, claims)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"{config.out}: cannot write the results: {reason}") from error
    for face in faces:
        console.print(
            f"{face.name}: MSE {face.mse_encoder:.4f} → {face.mse_refined:.4f}, feature loss"
            f" {face.loss_encoder:.3f} → {face.loss_refined:.3f}, {face.emotion_input} read as"
            f" {face.emotion_encoder} → {face.emotion_refined}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    for reason in passed_over:
        console.print(f"passed over: {reason}", markup=False, highlight=False, soft_wrap=True)
    unreadable = len(passed_over) > len(faceless)
    return 0 if faces and not unreadable else SourceError.exit_code


def _inverter(config: InvertConfig) -> Callable[[FoundFaces], list[InvertedFace]]:
    """What encodes and refines: engines on a CPU, torch on a GPU and for networks of other shapes.

    Raises:
        ConfigError: there is no such device.
        EngineError: a network is missing or broken.
    """
    settings = InversionConfig(steps=config.steps, budget_ms=config.budget_ms)
    files = config.files
    shipped = config.face_model == "shipped"
    on_cpu = config.device == "cpu" or (
        config.device == "auto" and not find_machine().torch_sees_gpu
    )
    if shipped and on_cpu and all(fits(name, files) for name in (CLASSIFIER, ENCODER, STEP)):

        def on_engines(found: FoundFaces) -> list[InvertedFace]:
            with closing(open_latent_engines(files, EngineStore())) as engines:
                return invert_on_engines(engines, found.crops, found.names, settings)

        return on_engines
    return _torch_inverter(config, settings)


# Loads torch.
def _torch_inverter(
    config: InvertConfig, settings: InversionConfig
) -> Callable[[FoundFaces], list[InvertedFace]]:
    from streamfer.evaluation.inverted import (
        invert_faces,
        load_latent_models,
        load_portrait_models,
    )
    from streamfer.training.runs.command import pick_device

    device = pick_device(config.device)
    if config.face_model == "shipped":
        models = load_latent_models(config.generator, config.encoder, config.classifier, device)
    else:
        portrait = find_portrait(config.face_model, config.classifier)
        models = load_portrait_models(
            portrait.checkpoint, portrait.kind, portrait.classifier, device
        )
    return lambda found: invert_faces(models, found.crops, found.names, settings)


def _write(
    faces: Sequence[InvertedFace],
    found: FoundFaces,
    passed_over: Sequence[str],
    config: InvertConfig,
    claims: OutputClaims,
) -> None:
    config.out.mkdir(parents=True, exist_ok=True)
    path = config.json or config.out / "faces.json"
    _remove_earlier(path, config.out, claims)
    for face in faces:
        for kind, picture in (
            ("input", face.input),
            ("encoder", face.encoder),
            ("refined", face.refined),
        ):
            write_png(picture, claims.replace(config.out / f"{face.name}.{kind}.png"))
        codes = io.BytesIO()
        np.savez(codes, latent_encoder=face.latent_encoder, latent_refined=face.latent_refined)
        write_whole(claims.replace(config.out / f"{face.name}.npz"), codes.getvalue())
    if faces:
        write_png(inversion_sheet(faces), claims.replace(config.out / "contact_sheet.png"))
    numbers = {
        "faces": [
            {**face.numbers(), "source": source, "box": [round(float(x), 2) for x in box]}
            for face, source, box in zip(faces, found.sources, found.boxes_xyxy, strict=True)
        ],
        "passed_over": list(passed_over),
    }
    write_whole(claims.replace(path), (json.dumps(numbers, indent=1) + "\n").encode())


def _remove_earlier(numbers: Path, out: Path, claims: OutputClaims) -> None:
    """Removes what an earlier run left in the folder: the faces that its numbers name."""
    try:
        names = [str(face["name"]) for face in json.loads(numbers.read_text())["faces"]]
    except (OSError, ValueError, KeyError, TypeError):
        return
    suffixes = ("input.png", "encoder.png", "refined.png", "npz")
    # A name with a separator is none of ours.
    earlier = [f"{n}.{suffix}" for n in names if Path(n).name == n for suffix in suffixes]
    for path in (out / name for name in (*earlier, "contact_sheet.png")):
        with contextlib.suppress(OutputError):  # it is an input now
            claims.refuse_input(path)
            path.unlink(missing_ok=True)
