from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from streamfer.errors import ConfigError, EngineError
from streamfer.models.export import export_face_classifier
from streamfer.models.storage import read_tensors
from streamfer.models.vgg import (
    HASHES,
    FaceVGG,
    FaceVGGConfig,
    Storage,
    folded,
    load_face_vgg,
    read_training_hashes,
    save_face_vgg,
)


def _faces(count: int, seed: int = 0) -> torch.Tensor:
    pixels = np.random.default_rng(seed).integers(0, 256, (count, 64, 64), dtype=np.uint8)
    return torch.from_numpy(pixels)


@pytest.fixture(scope="module")
def model() -> FaceVGG:
    """A small network with statistics and temperatures that differ from their defaults."""
    torch.manual_seed(3)
    network = FaceVGG(FaceVGGConfig(width=0.125))
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.uniform_(-0.1, 0.1)
            layer.running_var.uniform_(0.5, 1.5)
    network.temperature.copy_(torch.tensor([0.5, 2.0]))
    return network.eval()


def test_the_trunk_is_configuration_e() -> None:
    full = FaceVGG(FaceVGGConfig(width=1.0))
    convolutions = [layer for layer in full.trunk if isinstance(layer, nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == (
        [64] * 2 + [128] * 2 + [256] * 4 + [512] * 8
    )
    assert full.num_features == 512


@pytest.mark.parametrize("input_size", [32, 48, 64])
def test_the_network_takes_any_input_size(model: FaceVGG, input_size: int) -> None:
    network = FaceVGG(FaceVGGConfig(width=0.0625, input_size=input_size)).eval()
    assert network.normalise(_faces(2)).shape == (2, 1, input_size, input_size)
    with torch.no_grad():
        ferplus, fer2013 = network(_faces(2))
    assert ferplus.shape == fer2013.shape == (2, 7)


def test_light_and_contrast_do_not_matter(model: FaceVGG) -> None:
    faces = _faces(2).float()
    with torch.no_grad():
        bright = model.normalise(faces)
        dim = model.normalise(faces * 0.7 + 20)
    assert torch.allclose(bright, dim, atol=0.15)


def test_a_blank_picture_stays_finite(model: FaceVGG) -> None:
    with torch.no_grad():
        ferplus, fer2013 = model.probabilities(torch.full((1, 64, 64), 80, dtype=torch.uint8))
    assert torch.isfinite(ferplus).all()
    assert torch.isfinite(fer2013).all()


def test_temperature_divides_the_logits(model: FaceVGG) -> None:
    with torch.no_grad():
        logits = model(_faces(3))
        probs = model.probabilities(_faces(3))
    for head, temperature in enumerate((0.5, 2.0)):
        assert torch.allclose(probs[head], torch.softmax(logits[head] / temperature, dim=1))


def test_folding_changes_nothing(model: FaceVGG) -> None:
    copy = folded(model)
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in copy.modules())
    with torch.no_grad():
        assert torch.allclose(copy(_faces(2))[0], model(_faces(2))[0], atol=1e-4)


@pytest.mark.parametrize(("storage", "bytes_each"), [("float16", 2.3), ("int8", 1.3)])
def test_weights_survive_a_round_trip_in_fewer_bytes(
    model: FaceVGG, tmp_path: Path, storage: Storage, bytes_each: float
) -> None:
    path = tmp_path / "face.safetensors"
    save_face_vgg(model, path, {"recipe": "test"}, storage)
    loaded = load_face_vgg(path)
    assert loaded.config == model.config
    assert torch.equal(loaded.temperature, model.temperature)
    parameters = sum(p.numel() for p in model.parameters())
    assert path.stat().st_size < parameters * bytes_each
    with torch.no_grad():
        difference = loaded.probabilities(_faces(8))[0] - model.probabilities(_faces(8))[0]
    assert difference.abs().max() < 0.02


def test_the_export_answers_as_the_network_does(model: FaceVGG, tmp_path: Path) -> None:
    path = tmp_path / "face.safetensors"
    save_face_vgg(model, path)
    session = onnxruntime.InferenceSession(export_face_classifier(path))
    loaded = load_face_vgg(path)
    for count in (1, 5):
        faces = _faces(count, seed=count)
        ferplus, fer2013 = session.run(["probs_ferplus", "probs_fer2013"], {"faces": faces.numpy()})
        with torch.no_grad():
            expected = loaded.probabilities(faces)
        np.testing.assert_allclose(ferplus, expected[0].numpy(), atol=1e-5)
        np.testing.assert_allclose(fer2013, expected[1].numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read"),
        (b"not safetensors at all", "cannot read"),
    ],
)
def test_unreadable_weights_are_an_engine_error(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "face.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(EngineError, match=message) as caught:
        load_face_vgg(path)
    assert "\n" not in str(caught.value)


def test_foreign_weights_are_an_engine_error(tmp_path: Path) -> None:
    path = tmp_path / "face.safetensors"
    save_file({"a": torch.zeros(1)}, path, {"schema": "another/1"})
    with pytest.raises(EngineError, match="expected schema"):
        load_face_vgg(path)
    shape = {"schema": "streamfer.face_vgg19/1", "width": "0.125", "input_size": "48"}
    save_file({"a": torch.zeros(1)}, path, {**shape, "dropout": "0.5"})
    with pytest.raises(EngineError, match="not the weights of a face network"):
        load_face_vgg(path)


@pytest.mark.parametrize("bad", [{"width": 0.0}, {"input_size": 8}, {"dropout": 1.0}])
def test_impossible_shapes_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        FaceVGGConfig(**bad)  # type: ignore[arg-type]


def test_temperatures_and_hashes_that_are_none_are_refused(model: FaceVGG, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_face_vgg(model, path)
    metadata, tensors = read_tensors(path)
    save_file({**tensors, HASHES: torch.zeros(3)}, path, metadata)
    with pytest.raises(EngineError, match="training_hashes are none"):
        read_training_hashes(path)
    save_file({**tensors, "temperature": torch.zeros(2)}, path, metadata)
    with pytest.raises(EngineError, match="a temperature is not above 0"):
        load_face_vgg(path)
