import numpy as np
import torch

from streamfer.models.vgg import FaceVGG, FaceVGGConfig
from streamfer.training.scoring import mean_guesses


def test_guesses_are_calibrated_and_the_same_for_a_mirrored_face() -> None:
    torch.manual_seed(0)
    model = FaceVGG(FaceVGGConfig(width=0.05, input_size=32)).eval()
    model.temperature[1] = 2.0
    crops = np.random.default_rng(0).integers(0, 256, (3, 64, 64), dtype=np.uint8)
    with torch.inference_mode():
        plain = model.probabilities(torch.from_numpy(crops))[1].numpy()
        mirrored = model.probabilities(torch.from_numpy(crops).flip(2))[1].numpy()
    guesses = mean_guesses([model], crops)
    np.testing.assert_allclose(guesses, (plain + mirrored) / 2, atol=1e-6)
    assert np.abs(plain - mirrored).max() > 1e-5
    flipped = np.ascontiguousarray(crops[:, :, ::-1])
    np.testing.assert_allclose(mean_guesses([model], flipped), guesses, atol=1e-6)


def test_guesses_of_several_networks_are_their_mean() -> None:
    torch.manual_seed(0)
    models = [FaceVGG(FaceVGGConfig(width=0.05, input_size=32)).eval() for _ in range(2)]
    crops = np.random.default_rng(0).integers(0, 256, (3, 64, 64), dtype=np.uint8)
    first, second = (mean_guesses([model], crops) for model in models)
    np.testing.assert_allclose(mean_guesses(models, crops), (first + second) / 2, atol=1e-6)
