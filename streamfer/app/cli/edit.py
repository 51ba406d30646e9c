"""`streamfer edit`: faces with another expression, another pose, or between two persons."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
from rich.console import Console

from streamfer.app.cli.edit_options import EditConfig
from streamfer.app.networks.portraits import find_portrait
from streamfer.app.session.faces import name_of_face
from streamfer.app.session.outputs import write_text
from streamfer.app.session.session import Session
from streamfer.errors import ConfigError, OutputError, SourceError
from streamfer.evaluation.attribute import learn_attribute, read_attribute
from streamfer.evaluation.edit_sheet import edit_sheet
from streamfer.evaluation.edited_face import Edit, EditedFace, edit_faces
from streamfer.evaluation.editor import Editor, codes_for_editing, open_engine_editor
from streamfer.media.files.claims import OutputClaims
from streamfer.media.sources.file import FileSource
from streamfer.media.sources.kinds import SourceKind
from streamfer.media.sources.source_list import SourceSpec, expand_sources
from streamfer.media.video.audio import AudioSpan
from streamfer.media.video.writer import VideoWriter
from streamfer.models.directions import load_directions
from streamfer.models.inversion.curvature import curvature_of
from streamfer.models.inversion.descent import search_of_an_edit
from streamfer.models.structures import CLASSIFIER, ENCODER, STEP, fits
from streamfer.runtime.planning import find_machine
from streamfer.types import AlignedFace, FloatArray, FrameResult, UInt8Array
from streamfer.vision.align import align_face, whole_picture
from streamfer.vision.overlay.sheet import write_png
from streamfer.vision.paste import paste_difference
from streamfer.vision.portrait import align_portrait

_FACE_PICTURE_PX = 160
"""A picture up to this size in which no face is found is taken for a face crop."""
_SESSION = {"refine": False, "detect_every": "1"}


def edit(config: EditConfig, console: Console | None = None) -> int:
    """Edits every face of pictures, or of every frame of a video, and writes what came out.

    Of pictures, for each face `NAME.before.png` and one `NAME.EDIT.png` per strength, both as the
    generator draws, for all `contact_sheet.png` and the numbers as JSON. Of a video, `NAME.mp4`.

    Returns:
        The exit code: 0, or 3 where no face was found.

    Raises:
        ConfigError: an option is wrong.
        SourceError: the source cannot be read.
        EngineError: a network is missing or broken.
        OutputError: a result cannot be written.
    """
    console = console or Console()
    specs = expand_sources([config.source])
    if any(spec.kind is not SourceKind.FILE for spec in specs):
        raise ConfigError(f"{config.source}: edit takes pictures, folders and videos")
    inputs = [spec.path for spec in specs] + ([config.other] if config.other else [])
    claims = OutputClaims(inputs)
    claims.name("--json", config.json or config.out / "faces.json")
    with ExitStack() as stack:
        editor = stack.enter_context(closing(open_editor(config)))
        session = stack.enter_context(Session(**_SESSION))  # type: ignore[arg-type]
        maker = _FaceEditor(config, editor, session, {spec.name for spec in specs})
        faces: list[EditedFace] = []
        frames = 0
        try:
            config.out.mkdir(parents=True, exist_ok=True)
            for spec in specs:
                if _is_video(spec):
                    frames += _edit_video(spec, config, session, maker, claims)
                else:
                    faces += maker.picture(spec)
            _write(faces, config, claims)
        except OSError as error:
            reason = error.strerror or str(error)
            raise OutputError(f"{config.out}: cannot write the results: {reason}") from error
    for face in faces:
        console.print(face.told, markup=False, highlight=False, soft_wrap=True)
    if frames:
        console.print(f"{frames} frames with faces")
    if not faces and not frames:
        console.print("no face was found")
    return 0 if faces or frames else SourceError.exit_code


def wanted_edit(config: EditConfig) -> Edit:
    """What is to be done to each code."""
    strengths = config.wanted_strengths
    if config.toward is not None:
        return Edit(config.toward, strengths)
    return Edit("direction", strengths, config.direction)


def open_editor(config: EditConfig) -> Editor:
    """Engines on a CPU; torch on a GPU and for networks of other shapes.

    Raises:
        ConfigError: there is no such device.
        EngineError: a network is missing or broken.
    """
    files = config.files
    on_cpu = config.device == "cpu" or (
        config.device == "auto" and not find_machine().torch_sees_gpu
    )
    shipped = config.face_model == "shipped"
    curvature = curvature_of(config.generator, config.classifier) if shipped else None
    settings = search_of_an_edit(curvature, config.steps)
    if shipped and on_cpu and all(fits(name, files) for name in (CLASSIFIER, ENCODER, STEP)):
        return open_engine_editor(files, settings)
    # Loads torch.
    from streamfer.evaluation.inverted import load_latent_models, load_portrait_models
    from streamfer.evaluation.torch_editor import TorchEditor
    from streamfer.training.runs.command import pick_device

    device = pick_device(config.device)
    if shipped:
        models = load_latent_models(config.generator, config.encoder, config.classifier, device)
    else:
        portrait = find_portrait(config.face_model, config.classifier)
        models = load_portrait_models(
            portrait.checkpoint, portrait.kind, portrait.classifier, device
        )
    return TorchEditor(models, settings)


class _FaceEditor:
    """Finds faces as `run` does and edits them.

    Args:
        config: what to do.
        editor: draws and reads.
        session: finds.
        taken: names of all pictures, which no second face of one may have.
    """

    def __init__(
        self, config: EditConfig, editor: Editor, session: Session, taken: set[str]
    ) -> None:
        self._taken = taken
        self._config = config
        self._editor = editor
        self._session = session
        self._align: Callable[..., AlignedFace] = (
            align_face if config.face_model == "shipped" else align_portrait
        )
        self._directions = load_directions(config.directions)
        self._other = None if config.other is None else self._code_of(config.other)
        self._edit = wanted_edit(config)
        if config.attribute is not None:
            vector = learn_attribute(read_attribute(config.attribute), self._encoded)
            self._edit = dataclasses.replace(self._edit, own_vector=vector)

    def picture(self, spec: SourceSpec) -> list[EditedFace]:
        """The edited faces of one picture; a second face of NAME is `NAME-2`."""
        aligned = self._found(self._session.analyze_image(spec.path))
        if not aligned:
            return []
        crops = np.stack([face.image for face in aligned])
        codes = codes_for_editing(self._editor, crops, self._config.fit)
        numbers = range(1, len(crops) + 1)
        names = [name_of_face(spec.name, number, self._taken) for number in numbers]
        return edit_faces(
            self._editor, self._directions, names, crops, codes, self._edit, self._other
        )

    def frame(self, result: FrameResult) -> UInt8Array:
        """A frame of a video whose faces are edited at the first strength.

        Only what the edit changes in the generator's picture is added, so that colour and what the
        generator cannot draw stay.
        """
        aligned = self._found(result)
        image = result.frame.image
        if not aligned:
            return image
        codes = self._editor.encode(np.stack([face.image for face in aligned]))
        before = self._editor.draw(codes)
        # The tracks' answers, where there are tracks: they don't jump from frame to frame.
        shown = [face.smoothed for face in result.faces] or self._editor.read(before)
        moved = [
            self._edit.moved(code, self._edit.strengths[0], self._directions, probs, self._other)
            for code, probs in zip(codes, shown, strict=True)
        ]
        after = self._editor.draw(np.stack(moved))
        for face, old, new in zip(aligned, before, after, strict=True):
            image = paste_difference(image, old, new, face.frame_to_crop, len(face.image))
        return image

    def _found(self, result: FrameResult) -> list[AlignedFace]:
        image = result.frame.image
        found = [face.detection for face in result.faces]
        if not found and max(image.shape[:2]) <= _FACE_PICTURE_PX:
            found = [whole_picture(image[:, :, 0])]
        return [self._align(image, detection) for detection in found]

    def _code_of(self, path: Path) -> FloatArray:
        faces = self._found(self._session.analyze_image(path))
        if not faces:
            raise SourceError(f"{path}: no face was found in it")
        return codes_for_editing(self._editor, faces[0].image[None], self._config.fit)[0]

    def _encoded(self, path: Path) -> FloatArray | None:
        faces = self._found(self._session.analyze_image(path))
        return self._editor.encode(faces[0].image[None])[0] if faces else None


def _is_video(spec: SourceSpec) -> bool:
    """Whether there is a second frame."""
    with closing(FileSource(spec.path, spec.name)) as source:
        source.open()
        return len(list(itertools.islice(source.frames(), 2))) == 2


def _edit_video(
    spec: SourceSpec,
    config: EditConfig,
    session: Session,
    maker: _FaceEditor,
    claims: OutputClaims,
) -> int:
    """Writes one video; returns how many of its frames have faces."""
    with closing(FileSource(spec.path, spec.name)) as source:
        info = source.open()
    path = config.out / f"{spec.name}.mp4"
    with closing(VideoWriter(path, info, audio=AudioSpan(spec.path), claims=claims)) as writer:
        count = 0
        for result in _results(session, spec):
            writer.write(result.frame, maker.frame(result))
            count += bool(result.faces)
    return count


def _results(session: Session, spec: SourceSpec) -> Iterator[FrameResult]:
    with closing(session.analyze(spec.path, name=spec.name)) as results:
        yield from results


def _write(faces: list[EditedFace], config: EditConfig, claims: OutputClaims) -> None:
    for face in faces:
        write_png(face.before, claims.replace(config.out / face.before_file))
        for step in face.steps:
            write_png(step.after, claims.replace(config.out / step.file))
    if faces:
        write_png(edit_sheet(faces), claims.replace(config.out / "contact_sheet.png"))
    numbers = {"faces": [row for face in faces for row in face.numbers()]}
    path = claims.replace(config.json or config.out / "faces.json")
    write_text(path, json.dumps(numbers, indent=1))
