"""The faces of pictures, for commands that work on pictures: found as a run finds them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from streamfer.errors import ConfigError, SourceError
from streamfer.media.sources.file import FileSource
from streamfer.media.sources.kinds import SourceKind
from streamfer.media.sources.source_list import SourceSpec, expand_sources
from streamfer.types import AlignedFace, Detection, FloatArray, FrameResult, UInt8Array
from streamfer.vision.align import align_face, whole_picture

_FACE_PICTURE_PX = 128
"""A picture up to this size in which no face is found is taken for a face crop, as those of face
data sets are."""


class FindsFaces(Protocol):
    """What finds the faces of one picture: a session."""

    def analyze_image(self, picture: UInt8Array) -> FrameResult:
        """Finds and reads the faces of (H, W, 3) uint8 RGB."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A picture to work on."""

    name: str
    source: str
    """Its path."""
    image: UInt8Array = field(repr=False)
    """(H, W, 3) uint8 RGB, upright."""


@dataclass(frozen=True, slots=True, eq=False)
class FoundFaces:
    """Aligned faces of all pictures, uniquely named."""

    names: tuple[str, ...]
    crops: UInt8Array
    """(N, 64, 64) uint8 gray, or (N, 256, 256, 3) uint8 RGB portraits."""
    sources: tuple[str, ...] = ()
    """Path of each face's picture."""
    boxes_xyxy: FloatArray = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    """(N, 4) float32, pixels of the upright picture."""


def read_pictures(images: Sequence[str]) -> tuple[list[Picture], list[str]]:
    """Every picture, or first frame, that is named, and why others could not be read.

    Raises:
        ConfigError: an argument is no file or folder.
        SourceError: none can be read.
    """
    specs = expand_sources(images)
    for spec in specs:
        if spec.kind is not SourceKind.FILE:
            raise ConfigError(f"{spec.label}: expected pictures and folders of pictures")
    pictures: list[Picture] = []
    unreadable: list[str] = []
    for spec in specs:
        try:
            pictures.append(Picture(spec.name, spec.location, _first_frame(spec)))
        except SourceError as error:
            unreadable.append(str(error))
    if not pictures:
        raise SourceError(unreadable[0])
    return pictures, unreadable


def find_faces(
    pictures: Sequence[Picture],
    finder: FindsFaces,
    align: Callable[[UInt8Array, Detection], AlignedFace] = align_face,
) -> tuple[FoundFaces, list[str]]:
    """Finds and aligns the faces of pictures; a second face of NAME is `NAME-2`.

    Args:
        pictures: to look at.
        finder: finds faces.
        align: cuts them out.

    Returns:
        The faces, and a line for every picture that has none.
    """
    names: list[str] = []
    taken = {picture.name for picture in pictures}
    crops: list[UInt8Array] = []
    sources: list[str] = []
    boxes: list[FloatArray] = []
    faceless: list[str] = []
    for picture in pictures:
        image = picture.image
        found = [face.detection for face in finder.analyze_image(image).faces]
        if not found and max(image.shape[:2]) <= _FACE_PICTURE_PX:
            found = [whole_picture(image[:, :, 0])]
        if not found:
            faceless.append(f"{picture.source}: no face was found in it")
        for number, detection in enumerate(found, start=1):
            names.append(name_of_face(picture.name, number, taken))
            crops.append(align(image, detection).image)
            sources.append(picture.source)
            boxes.append(detection.box_xyxy)
    faces = FoundFaces(
        tuple(names),
        np.array(crops, np.uint8),
        tuple(sources),
        np.array(boxes, np.float32).reshape(-1, 4),
    )
    return faces, faceless


def _first_frame(spec: SourceSpec) -> UInt8Array:
    with closing(FileSource(spec.path, spec.name)) as source:
        source.open()
        for pending in source.frames():
            return pending.to_frame(spec.name, 0).image
    raise SourceError(f"{spec.location}: holds no picture")


def name_of_face(picture: str, number: int, taken: set[str]) -> str:
    """What one of a picture's faces is called: the first as the picture is, the second NAME-2, …

    Args:
        picture: its name.
        number: of the face, from 1.
        taken: the names of all pictures and of the faces named so far; gets this one.
    """
    if number == 1:
        return picture
    further = (f"{picture}-{number}.{again}" for again in itertools.count(2))
    name = next(
        name for name in itertools.chain([f"{picture}-{number}"], further) if name not in taken
    )
    taken.add(name)
    return name
