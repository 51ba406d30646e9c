import numpy as np
import pytest
import torch

from streamfer.training.faces.augment import AugmentConfig
from streamfer.training.faces.batches import (
    EpochBatches,
    TrainingFaces,
    load_batches,
    training_faces,
)
from streamfer.training.faces.data import NO_LABEL
from streamfer.training.faces.landmarks import LandmarkCache, picture_key
from tests.support.labelled_faces import drawn_set


@pytest.fixture(scope="module")
def faces() -> TrainingFaces:
    labelled = drawn_set(21)
    labelled.votes[0] = 0
    labelled.classes[1] = NO_LABEL
    cache = LandmarkCache(dict.fromkeys(map(picture_key, labelled.pictures)))
    return training_faces(labelled, cache, label_smoothing=0.2)


def test_targets(faces: TrainingFaces) -> None:
    assert faces.ferplus[0].sum() == 0  # no votes
    assert faces.fer2013[1].sum() == 0  # no class
    expected = np.full(7, 0.2 / 7)
    expected[0] += 0.8
    np.testing.assert_allclose(faces.fer2013[0], expected, atol=1e-6)
    assert faces.fer2013[2].tolist() == pytest.approx([0, 0, 1, 0, 0, 0, 0])


def test_smoothing_goes_to_the_classes_of_faces_with_such_votes() -> None:
    labelled = drawn_set(4)  # of classes 0 to 3
    labelled.votes[:] = [0, 10, 0, 0, 0, 0, 0, 0, 0, 0]
    labelled.votes[3] = [0, 0, 0, 0, 10, 0, 0, 0, 0, 0]
    cache = LandmarkCache(dict.fromkeys(map(picture_key, labelled.pictures)))
    targets = training_faces(labelled, cache, label_smoothing=0.3).fer2013
    assert targets[0].tolist() == pytest.approx([0.8, 0.1, 0.1, 0, 0, 0, 0])
    assert targets[3].tolist() == pytest.approx([0, 0, 0, 1, 0, 0, 0])


def _epoch(faces: TrainingFaces, seed: int = 0, epoch: int = 0) -> EpochBatches:
    return EpochBatches(faces, AugmentConfig(), 8, seed, epoch)


def test_an_epoch_shows_every_face_once(faces: TrainingFaces) -> None:
    batches = _epoch(faces)
    assert len(batches) == 2  # the partial batch is left out
    rows = np.concatenate([batches[i][2].numpy() for i in range(len(batches))])
    assert rows.shape == (16, 7)


def test_faces_are_drawn_by_their_chances(faces: TrainingFaces) -> None:
    chances = np.zeros(len(faces), np.float32)
    chances[[0, 1]] = 0.25, 0.75
    batches = EpochBatches(faces, AugmentConfig(), len(faces), seed=0, epoch=0, chances=chances)
    drawn = batches._rows[0]
    assert len(drawn) == len(faces)
    assert set(drawn) == {0, 1}
    again = EpochBatches(faces, AugmentConfig(), len(faces), seed=0, epoch=0, chances=chances)
    assert np.array_equal(again._rows[0], drawn)


@pytest.mark.parametrize(("seed", "epoch", "same"), [(0, 0, True), (0, 1, False), (1, 0, False)])
def test_a_batch_depends_on_seed_epoch_and_place(
    faces: TrainingFaces, seed: int, epoch: int, same: bool
) -> None:
    assert torch.equal(_epoch(faces)[1][0], _epoch(faces, seed, epoch)[1][0]) is same
    assert not torch.equal(_epoch(faces)[0][0], _epoch(faces)[1][0])


def test_mixup_lays_faces_and_targets_over_each_other_in_the_same_shares(
    faces: TrainingFaces,
) -> None:
    plain = [part.numpy() for part in _epoch(faces)[0]]
    crops, ferplus, fer2013 = (
        part.numpy() for part in EpochBatches(faces, AugmentConfig(), 8, 0, 0, mixup=1.0)[0]
    )
    for i in range(8):
        pair = np.stack([plain[0][i], plain[0][7 - i]]).astype(float)
        difference = pair[0] - pair[1]
        share = ((crops[i] - pair[1]) * difference).sum() / (difference**2).sum()
        assert 0.0 < share < 1.0
        np.testing.assert_allclose(crops[i], share * pair[0] + (1 - share) * pair[1], atol=1.0)
        for mixed, targets in ((ferplus, plain[1]), (fer2013, plain[2])):
            expected = share * targets[i] + (1 - share) * targets[7 - i]
            np.testing.assert_allclose(mixed[i], expected, atol=0.01)


def test_worker_processes_change_nothing(faces: TrainingFaces) -> None:
    alone = list(load_batches(_epoch(faces), workers=0, pinned=False))
    helped = list(load_batches(_epoch(faces), workers=2, pinned=False))
    assert len(alone) == len(helped) == 2
    for mine, theirs in zip(alone, helped, strict=True):
        assert all(map(torch.equal, mine, theirs))
