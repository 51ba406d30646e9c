import pytest
import torch
from torch import Tensor

from streamfer.models.vgg import FaceVGG, FaceVGGConfig
from streamfer.training.vgg.teaching import Teachers

_CPU = torch.device("cpu")


def _networks(count: int) -> list[FaceVGG]:
    torch.manual_seed(0)
    models = [FaceVGG(FaceVGGConfig(width=0.05, input_size=32)).eval() for _ in range(count)]
    for number, model in enumerate(models):
        model.temperature[:] = torch.tensor([0.5 + number, 2.0])
    return models


def _batch() -> tuple[Tensor, Tensor, Tensor]:
    crops = torch.randint(256, (3, 64, 64), dtype=torch.uint8)
    ferplus, fer2013 = torch.softmax(torch.randn(2, 3, 7), dim=2)
    return crops, ferplus, fer2013


def test_targets_get_their_share_of_the_mean_calibrated_answer() -> None:
    models = _networks(2)
    crops, ferplus, fer2013 = _batch()
    with torch.inference_mode():
        answers = [m.probabilities(view) for m in models for view in (crops, crops.flip(2))]
    taught = Teachers(models, 0.3, _CPU).teach(crops, ferplus, fer2013)
    for head, target in enumerate((ferplus, fer2013)):
        mean = torch.stack([answer[head] for answer in answers]).mean(dim=0)
        torch.testing.assert_close(taught[head], 0.7 * target + 0.3 * mean)


def test_a_row_without_a_target_stays_without() -> None:
    crops, ferplus, fer2013 = _batch()
    ferplus[0] = 0
    fer2013[1] = 0
    first, second = Teachers(_networks(1), 0.5, _CPU).teach(crops, ferplus, fer2013)
    assert first.sum(dim=1).tolist() == pytest.approx([0, 1, 1])
    assert second.sum(dim=1).tolist() == pytest.approx([1, 0, 1])
