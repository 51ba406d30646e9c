from dataclasses import replace

from streamfer.training.faces.batches import training_faces
from streamfer.training.faces.landmarks import LandmarkCache, picture_key
from streamfer.training.vgg.classifier_run import ClassifierRun
from tests.support.classifier_runs import TINY
from tests.support.labelled_faces import drawn_set


def test_faces_may_be_shown_as_pencil_drawings() -> None:
    labelled = drawn_set(21)
    cache = LandmarkCache(dict.fromkeys(map(picture_key, labelled.pictures)))
    faces = training_faces(labelled, cache, label_smoothing=0.0)
    light = {}
    for sketches in (0.0, 1.0):
        run = ClassifierRun(replace(TINY, augment=1.0, sketches=sketches), faces)
        crops, *_ = run._batches(0)[0]
        light[sketches] = float(crops.float().mean())
    assert light[1.0] > light[0.0] + 40  # strokes on white
