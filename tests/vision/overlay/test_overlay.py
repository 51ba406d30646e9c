from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streamfer.labels import COLOURS_RGB, LABELS
from streamfer.types import Detection, FaceResult, UInt8Array
from streamfer.vision.overlay.drawing import Rect
from streamfer.vision.overlay.overlay import Overlay, OverlayConfig, StripInfo
from streamfer.vision.overlay.placement import overlap

SIZES = [(320, 180), (640, 360), (1920, 1080), (3840, 2160), (1080, 1920), (101, 77), (64, 48)]


def make_face(
    box: tuple[float, float, float, float], emotion: str = "happy", track_id: int = 1
) -> FaceResult:
    probs = np.full(7, 0.05, dtype=np.float32)
    probs[LABELS.index(emotion)] = 0.7
    detection = Detection(np.array(box, dtype=np.float32), 0.9, np.zeros((5, 2), np.float32))
    return FaceResult(track_id, detection, True, emotion, probs, probs)


def noise(width: int, height: int) -> UInt8Array:
    return np.random.default_rng(7).integers(0, 256, (height, width, 3), dtype=np.uint8)


STRIP = StripInfo("talk", time_s=12.34, fps=24.0, latency_ms=11.0, dropped=0)


def untouched(size_wh: tuple[int, int], rects: tuple[Rect, ...]) -> np.ndarray:
    mask = np.ones(size_wh[::-1], dtype=bool)
    for left, top, right, bottom in rects:
        mask[top:bottom, left:right] = False
    return mask


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize(
    "box",
    [
        (0.4, 0.3, 0.6, 0.7),
        (0.0, 0.0, 0.3, 0.5),
        (0.8, 0.6, 1.2, 1.4),
        (-0.3, -0.3, 1.3, 1.3),
        (0.5, 0.5, 0.5, 0.5),
        (1.5, 1.5, 1.8, 1.9),
    ],
)
def test_pixels_outside_the_returned_rectangles_stay_exactly_as_they_were(
    width: int, height: int, box: tuple[float, float, float, float]
) -> None:
    before = noise(width, height)
    image = before.copy()
    face = make_face(tuple(np.array(box) * [width, height, width, height]))
    rects = Overlay().draw(image, [face], STRIP)
    mask = untouched((width, height), rects)
    assert (image[mask] == before[mask]).all()
    assert (image != before).any()
    assert all(
        0 <= left < right <= width and 0 <= top < bottom <= height
        for left, top, right, bottom in rects
    )


def test_the_inside_of_a_box_stays_visible() -> None:
    before = noise(640, 360)
    image = before.copy()
    Overlay().draw(image, [make_face((200, 100, 300, 220))], STRIP)
    assert (image[112:208, 212:288] == before[112:208, 212:288]).all()


@pytest.mark.parametrize("emotion", LABELS)
def test_box_and_bar_have_the_colour_of_the_emotion(emotion: str) -> None:
    image = np.full((360, 640, 3), 90, dtype=np.uint8)
    Overlay().draw(image, [make_face((200, 100, 300, 220), emotion)], STRIP)
    colour = np.array(COLOURS_RGB[emotion])
    assert (np.abs(image[160, 195:206].astype(int) - colour).max(axis=1) <= 2).any()
    exact = (np.abs(image[:, 305:].astype(int) - colour).max(axis=2) <= 2).sum()
    assert exact > 50


def test_a_bar_is_as_long_as_its_probability() -> None:
    lengths = []
    for value in (0.3, 0.6, 0.9):
        probs = np.full(7, (1 - value) / 6, dtype=np.float32)
        probs[3] = value
        image = np.zeros((720, 1280, 3), dtype=np.uint8)
        face = replace(make_face((300, 200, 600, 500)), smoothed=probs)
        Overlay().draw(image, [face], STRIP)
        yellow = (image[210:, 604:] == COLOURS_RGB["happy"]).all(axis=2)
        lengths.append(int(yellow.any(axis=0).sum()))
    assert lengths[1] / lengths[0] == pytest.approx(2, rel=0.15)
    assert lengths[2] / lengths[0] == pytest.approx(3, rel=0.15)


@pytest.mark.parametrize(("trust", "guess"), [(None, True), (0.9, True), (0.2, False)])
def test_low_trust_shows_no_guess(trust: float | None, guess: bool) -> None:
    image = np.zeros((360, 640, 3), dtype=np.uint8)
    face = replace(make_face((200, 100, 300, 220)), trust=trust)
    rects = Overlay(OverlayConfig(bars=False, strip=False)).draw(image, [face], STRIP)
    assert len(rects) == 1 + 4
    yellow = (image == COLOURS_RGB["happy"]).all(axis=2)
    assert bool(yellow.any()) is guess


def test_the_panel_brightens_no_label_of_an_uncertain_face() -> None:
    face = make_face((200, 100, 300, 220))
    sure, unsure = (np.zeros((360, 640, 3), dtype=np.uint8) for _ in range(2))
    Overlay().draw(sure, [replace(face, trust=0.9)], STRIP)
    Overlay().draw(unsure, [replace(face, trust=0.2)], STRIP)
    bright, dim = ((image[:, 305:] > 230).all(axis=2).sum() for image in (sure, unsure))
    assert bright > 20
    assert dim < bright / 4


def test_panels_and_tags_keep_off_other_faces() -> None:
    boxes = [
        (40 + 150 * i, 120 + 20 * (i % 2), 110 + 150 * i, 210 + 20 * (i % 2)) for i in range(4)
    ]
    faces = [make_face(box, track_id=i + 1) for i, box in enumerate(boxes)]
    rects = Overlay(OverlayConfig(strip=False)).draw(noise(640, 360), faces, STRIP)
    marks = rects[: -4 * len(faces)]
    assert len(marks) == 8
    assert not any(overlap(mark, tuple(map(int, box))) for mark in marks for box in boxes)
    assert not any(overlap(a, b) for i, a in enumerate(marks) for b in marks[:i])


def crowd(count: int) -> list[FaceResult]:
    """Faces side by side in rows of five, each a little larger than the one before."""
    faces = []
    for i in range(count):
        x, y, size = 20 + 250 * (i % 5), 60 + 170 * (i // 5), 60 + 2 * i
        faces.append(make_face((x, y, x + size, y + size), LABELS[i % 7], i + 1))
    return faces


def panels(faces: list[FaceResult], overlay: Overlay | None = None) -> set[int]:
    """Numbers of the tracks that have one."""
    overlay = overlay or Overlay()
    overlay.draw(noise(1280, 720), faces, STRIP)
    looks = overlay._looks[STRIP.stream]
    return {track for track, look in looks.items() if look.panel is not None}


def test_in_a_crowd_only_the_largest_faces_keep_their_bars() -> None:
    assert panels(crowd(8)) == set(range(1, 9))
    assert panels(crowd(14)) == {13, 14}


def test_in_a_crowd_tags_are_short_and_keep_off_other_faces() -> None:
    faces = crowd(14)
    rects = Overlay(OverlayConfig(bars=False)).draw(noise(1280, 720), faces, STRIP)
    tags = rects[1 : -4 * len(faces)]
    boxes = [tuple(map(int, face.detection.box_xyxy)) for face in faces]
    assert len(tags) == len(faces)
    for i, tag in enumerate(tags):
        assert all(overlap(tag, box) == 0 for j, box in enumerate(boxes) if j != i)
    alone = Overlay(OverlayConfig(bars=False)).draw(noise(1280, 720), faces[:1], STRIP)[1]
    assert tags[0][2] - tags[0][0] < alone[2] - alone[0]


def test_in_a_crowd_bars_stay_with_a_face_until_another_is_clearly_larger() -> None:
    overlay = Overlay()
    faces = crowd(14)
    assert panels(faces, overlay) == {13, 14}
    slightly = make_face((520, 400, 612, 492), "sad", 12)
    assert panels([*faces[:11], slightly, *faces[12:]], overlay) == {13, 14}
    clearly = make_face((520, 400, 640, 520), "sad", 12)
    assert 12 in panels([*faces[:11], clearly, *faces[12:]], overlay)


def test_a_panel_does_not_change_sides_for_a_pixel() -> None:
    overlay = Overlay(OverlayConfig(strip=False))
    lefts = []
    for shift in (0, 3, -3, 3, -3, 3):
        box = (435 + shift, 100, 535 + shift, 220)
        _, panel, *_ = overlay.draw(noise(640, 360), [make_face(box)], STRIP)
        lefts.append(panel[0] - shift)
    assert max(lefts) - min(lefts) < 20


def test_streams_do_not_share_their_memory() -> None:
    overlay = Overlay()
    face = make_face((200, 100, 300, 220))
    alone = Overlay().draw(noise(640, 360), [face], replace(STRIP, stream="b"))
    overlay.draw(noise(640, 360), [make_face((520, 100, 620, 220))], STRIP)
    assert overlay.draw(noise(640, 360), [face], replace(STRIP, stream="b")) == alone


@pytest.mark.parametrize("shape", [(64, 64), (256, 256, 3)])
def test_the_reconstruction_is_shown_beside_the_face(shape: tuple[int, ...]) -> None:
    face = make_face((700, 300, 1000, 700))
    pictured = replace(face, reconstruction=np.full(shape, 77, np.uint8), latent_kind="refined")
    plain = Overlay().draw(noise(1920, 1080), [face], STRIP)
    image = noise(1920, 1080)
    rects = Overlay().draw(image, [pictured], STRIP)
    left, top, right, bottom = rects[2]
    assert right - left > plain[2][2] - plain[2][0]
    assert (image[top:bottom, left:right] == 77).all(axis=2).sum() > 10_000


def test_the_same_input_gives_the_same_picture() -> None:
    pictures = []
    for _ in range(2):
        overlay, image = Overlay(), noise(640, 360)
        for _ in range(3):
            rects = overlay.draw(image, [make_face((200, 100, 300, 220))], STRIP)
        pictures.append((image, rects))
    assert (pictures[0][0] == pictures[1][0]).all()
    assert pictures[0][1] == pictures[1][1]


MEASURED = {"valence": 0.5, "expressiveness": 0.8, "yaw": -45.0, "pitch": 0.0, "roll": 10.0}


def measured_pixels(extra: dict[str, object]) -> UInt8Array:
    """Where the panel has the colour of measures, (H, W) bool."""
    image: UInt8Array = np.zeros((720, 1280, 3), dtype=np.uint8)
    face = replace(make_face((300, 100, 600, 400)), extra=extra)
    Overlay().draw(image, [face], STRIP)
    return (image == (226, 230, 238)).all(axis=2)


def test_what_heads_say_stands_under_the_seven_bars() -> None:
    assert not measured_pixels({}).any()
    rows = measured_pixels(MEASURED).any(axis=1).astype(int)
    assert (np.diff(rows) == 1).sum() == 3
    half, whole = (
        int(measured_pixels({"valence": value}).any(axis=0).sum()) for value in (0.5, 1.0)
    )
    assert whole == pytest.approx(2 * half, abs=2)
    right, left = (
        float(np.nonzero(measured_pixels({"valence": value}))[1].mean()) for value in (0.5, -0.5)
    )
    assert left < right


@pytest.mark.parametrize("value", [None, float("nan"), "high", [1.0]])
def test_what_a_head_leaves_open_keeps_its_row_empty(value: object) -> None:
    assert not measured_pixels({"valence": value}).any()
    sizes = set()
    for shown in (0.5, value):
        image: UInt8Array = np.zeros((720, 1280, 3), dtype=np.uint8)
        face = replace(make_face((300, 100, 600, 400)), extra={"valence": shown})
        sizes.add(Overlay().draw(image, [face], STRIP))
    assert len(sizes) == 1


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_measures_stay_inside_the_returned_rectangles(width: int, height: int) -> None:
    before = noise(width, height)
    image = before.copy()
    face = replace(
        make_face((width * 0.4, height * 0.3, width * 0.6, height * 0.7)), extra=MEASURED
    )
    rects = Overlay().draw(image, [face], STRIP)
    mask = untouched((width, height), rects)
    assert (image[mask] == before[mask]).all()


@pytest.mark.parametrize("size", [(1, 1), (16, 8), (8, 40), (16, 1), (1000, 10)])
def test_a_picture_without_room_for_a_frame_has_none(size: tuple[int, int]) -> None:
    image = noise(*size)
    before = image.copy()
    assert Overlay().draw(image, [make_face((0, 0, *map(float, size)))], STRIP) == ()
    np.testing.assert_array_equal(image, before)
