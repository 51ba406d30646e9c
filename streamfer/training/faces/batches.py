"""Batches of augmented faces, the same for a seed and an epoch whoever makes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from streamfer.labels import NUM_LABELS
from streamfer.training.faces.augment import AugmentConfig, augment_face
from streamfer.training.faces.data import NO_LABEL, LabelledFaces, vote_distribution
from streamfer.training.faces.landmarks import LandmarkCache
from streamfer.types import FloatArray, UInt8Array
from streamfer.vision.align import crop_matrix, whole_picture

Batch = tuple[Tensor, Tensor, Tensor]
"""Faces [NHW] uint8, targets of `ferplus` [N7] and of `fer2013` [N7], float32; a target row of
zeros teaches nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainingFaces:
    """Everything that a batch is drawn from."""

    pictures: tuple[UInt8Array, ...]
    to_crop: FloatArray
    """(n, 2, 3): alignment of each picture."""
    to_whole: FloatArray
    """(n, 2, 3): the crop of each picture without landmarks."""
    ferplus: FloatArray
    """(n, 7) target distributions; zeros where there are no votes."""
    fer2013: FloatArray
    """(n, 7) target distributions; zeros where there is no class."""

    def __len__(self) -> int:
        return len(self.pictures)


def training_faces(
    faces: LabelledFaces,
    cache: LandmarkCache,
    label_smoothing: float,
) -> TrainingFaces:
    """Pairs pictures with their alignments and targets.

    Args:
        faces: the pictures and their labels.
        cache: their landmarks.
        label_smoothing: part of the FER2013 target, in [0, 1), that goes not to the class but to
            the classes that faces with such FER+ votes have in this set, and to all seven evenly
            where there are no votes.
    """
    votes = vote_distribution(faces.votes)
    known = faces.classes != NO_LABEL
    one_hot = np.eye(NUM_LABELS)[np.where(known, faces.classes, 0)] * known[:, None]
    likely = votes @ _classes_of_votes(votes, one_hot)
    has_votes = votes.sum(axis=1, keepdims=True) > 0
    spread = np.where(has_votes, likely, 1.0 / NUM_LABELS)
    fer2013 = ((1 - label_smoothing) * one_hot + label_smoothing * spread) * known[:, None]
    return TrainingFaces(
        pictures=faces.pictures,
        to_crop=cache.matrices(faces.pictures),
        to_whole=np.array([crop_matrix(whole_picture(p)) for p in faces.pictures], np.float32),
        ferplus=votes,
        fer2013=fer2013.astype(np.float32),
    )


def _classes_of_votes(votes: FloatArray, one_hot: FloatArray) -> FloatArray:
    """(7, 7): how the faces of a vote, the rows, spread over the classes; the votes' own label
    where no face with such votes has a class."""
    counts = votes.T @ one_hot
    total = counts.sum(axis=1, keepdims=True)
    return np.where(total > 0, counts / np.maximum(total, 1e-9), np.eye(NUM_LABELS))


class EpochBatches(Dataset[Batch]):
    """The batches of one epoch; number i depends on seed, epoch and i alone.

    Args:
        faces: what the epoch shows once each.
        augment: how the faces are changed.
        batch_size: faces in a batch.
        seed: of the run.
        epoch: number of the epoch.
        mixup: a and b of the beta distribution of the shares in which two faces and their targets
            are laid over each other (Zhang et al., 2018); 0 leaves them apart.
        chances: (n,) of each face to be drawn, with replacement; None shows every face once.
    """

    def __init__(
        self,
        faces: TrainingFaces,
        augment: AugmentConfig,
        batch_size: int,
        seed: int,
        epoch: int,
        mixup: float = 0.0,
        chances: FloatArray | None = None,
    ) -> None:
        self._faces = faces
        self._augment = augment
        self._mixup = mixup
        self._seed = (seed, epoch)
        rng = np.random.default_rng(self._seed)
        order = rng.permutation(len(faces))
        if chances is not None:
            exact = chances.astype(np.float64)
            order = rng.choice(len(faces), len(faces), p=exact / exact.sum())
        # The last, partial batch would weigh its faces more than others: it is left out.
        count = max(len(faces) // batch_size, 1)
        self._rows = [order[i * batch_size : (i + 1) * batch_size] for i in range(count)]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Batch:
        faces, rows = self._faces, self._rows[index]
        rng = np.random.default_rng((*self._seed, index))
        changed = [
            augment_face(
                faces.pictures[row],
                faces.to_crop[row],
                faces.to_whole[row],
                faces.pictures[other],
                self._augment,
                rng,
            )
            for row, other in zip(rows, np.roll(rows, 1), strict=True)
        ]
        batch = (
            torch.from_numpy(np.stack(changed)),
            torch.from_numpy(faces.ferplus[rows]),
            torch.from_numpy(faces.fer2013[rows]),
        )
        if not self._mixup:
            return batch
        shares = torch.from_numpy(rng.beta(self._mixup, self._mixup, len(rows)))
        crops, ferplus, fer2013 = (_laid_over_each_other(part, shares) for part in batch)
        return crops.round().to(torch.uint8), ferplus, fer2013


def _laid_over_each_other(part: Tensor, shares: Tensor) -> Tensor:
    # The order of a batch is random: the one reversed pairs the faces as well as another draw.
    share = shares.float().reshape(-1, *([1] * (part.ndim - 1)))
    return share * part + (1 - share) * part.flip(0)


def load_batches(batches: EpochBatches, workers: int, pinned: bool) -> Iterator[Batch]:
    """Iterates over the epoch, `workers` processes ahead (0: none).

    Args:
        batches: the epoch.
        workers: processes that prepare batches.
        pinned: puts batches into memory that a GPU copies from directly.
    """
    if workers:
        # Here, not in the workers: OpenCV's threads don't survive a fork, and a child that stops
        # them waits for ever.
        cv2.setNumThreads(1)
    return iter(
        DataLoader(
            batches,
            batch_size=None,
            num_workers=workers,
            pin_memory=pinned,
            worker_init_fn=_limit_threads,
        )
    )


def _limit_threads(_worker: int) -> None:
    torch.set_num_threads(1)
