"""The shipped structures against the networks that torch makes of the same weights."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from streamfer.engine import Array
from streamfer.errors import EngineError
from streamfer.models.encoder import Encoder
from streamfer.models.fused import FusedHeads, load_fused, load_fused_heads, save_fused_heads
from streamfer.models.inversion.descent import LossWeights
from streamfer.models.inversion.graphs import feature_names
from streamfer.models.inversion.lens import Lens
from streamfer.models.inversion.search import Place, evaluate
from streamfer.models.shipped import SHIPPED, WeightFiles
from streamfer.models.storage import load_encoder, load_generator, save_encoder, save_generator
from streamfer.models.structure_networks import make_structure
from streamfer.models.structures import (
    CLASSIFIER,
    ENCODER,
    FILES_OF,
    FUSED,
    STEP,
    TARGET,
    fill_network,
    fits,
    network_bytes,
    structure_path,
    structures_digest,
)
from streamfer.models.stylegan2 import Generator, from_uint8, style_spread
from streamfer.models.vgg import FaceVGG, load_face_vgg, save_face_vgg
from streamfer.training.structures import structure_files, write_structures
from tests.support.latent import save_latent_networks

SHIPPED_FILES = structure_files(SHIPPED)


def files_of(name: str, files: Mapping[str, Path] = SHIPPED_FILES) -> dict[str, Path]:
    return {key: files[key] for key in FILES_OF[name]}


def run_filled(name: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
    filled = fill_network(name, files_of(name))
    assert filled is not None
    session = onnxruntime.InferenceSession(filled, providers=["CPUExecutionProvider"])
    names = [node.name for node in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(inputs)), strict=True))


def some_faces(count: int) -> Array:
    return np.random.default_rng(0).integers(0, 256, (count, 64, 64), dtype=np.uint8)


@pytest.fixture(scope="module")
def other_values(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Untrained networks of the shipped shapes."""
    weights = WeightFiles(tmp_path_factory.mktemp("untrained"))
    torch.manual_seed(0)
    save_face_vgg(FaceVGG(load_face_vgg(SHIPPED.classifier).config), weights.classifier)
    save_encoder(Encoder(load_encoder(SHIPPED.encoder).config), weights.encoder, {})
    save_generator(Generator(load_generator(SHIPPED.generator).config), weights.generator, {})
    heads = FusedHeads(load_fused_heads(SHIPPED.fused_heads).config)
    save_fused_heads(heads, weights.fused_heads, {})
    return structure_files(weights)


@pytest.mark.parametrize("name", list(FILES_OF))
def test_the_shipped_structure_is_what_torch_exports_whatever_the_weights_values(
    name: str, other_values: dict[str, Path]
) -> None:
    """Where it is not: `python -m streamfer.training.structures`."""
    made = make_structure(name, files_of(name, other_values))
    assert made == structure_path(name, SHIPPED.folder).read_bytes()


def test_they_are_small() -> None:
    sizes = [structure_path(name, SHIPPED.folder).stat().st_size for name in FILES_OF]
    assert sum(sizes) < 600_000


@torch.no_grad()
def test_filled_they_answer_as_torch_does() -> None:
    faces = some_faces(3)
    pixels = torch.from_numpy(faces)
    network, encoder = load_face_vgg(SHIPPED.classifier), load_encoder(SHIPPED.encoder)
    lens = Lens(network)
    fused = load_fused(SHIPPED.classifier, SHIPPED.encoder, SHIPPED.fused_heads)
    expected: dict[str, list[torch.Tensor]] = {
        CLASSIFIER: list(network.probabilities(pixels)),
        FUSED: list(fused(pixels)),
        ENCODER: [encoder(from_uint8(pixels))],
        TARGET: [from_uint8(pixels), *lens(from_uint8(pixels))],
    }
    for name, tensors in expected.items():
        answers = run_filled(name, {"faces": faces})
        for answer, tensor in zip(answers.values(), tensors, strict=True):
            np.testing.assert_allclose(answer, tensor.numpy(), rtol=1e-4, atol=1e-4, err_msg=name)


def test_filled_the_step_has_the_losses_and_the_gradient_of_torch() -> None:
    generator, lens = load_generator(SHIPPED.generator), Lens(load_face_vgg(SHIPPED.classifier))
    torch.manual_seed(0)
    start = generator.styles(torch.randn(1, generator.config.z_dim))
    offset = (0.1 * torch.randn(start.shape)).requires_grad_(True)
    target = from_uint8(torch.from_numpy(some_faces(1)))
    features = lens(target)
    place = Place(start, offset, style_spread(generator), target, features)
    losses = evaluate(generator, lens, LossWeights(), place)
    (gradient,) = torch.autograd.grad(losses.total.sum(), offset)
    tensors = [offset, start, target, *features]
    names = ["offset", "start", "target", *feature_names(lens)]
    answers = run_filled(
        STEP, {name: x.detach().numpy() for name, x in zip(names, tensors, strict=True)}
    )
    for name in ("total", "feature", "mse", "image", "codes"):
        wanted = getattr(losses, name).detach().numpy()
        np.testing.assert_allclose(answers[name], wanted, rtol=1e-3, atol=1e-3, err_msg=name)
    error = np.abs(answers["gradient"] - gradient.numpy()).max()
    assert error < 1e-3 * gradient.abs().max()


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of another shape."""
    return save_latent_networks(tmp_path_factory.mktemp("narrow"))["classifier"]


def test_weights_of_another_shape_have_no_structure_until_one_lies_beside_them(
    narrow: Path, tmp_path: Path
) -> None:
    path = tmp_path / "own.safetensors"
    network = load_face_vgg(narrow)
    save_face_vgg(network, path, storage="int8")
    files = {"classifier": path}
    before = structures_digest(CLASSIFIER, files)
    assert not fits(CLASSIFIER, files)
    assert fill_network(CLASSIFIER, files) is None
    assert network_bytes(CLASSIFIER, files, lambda: b"by torch") == b"by torch"
    assert write_structures([CLASSIFIER], files, tmp_path) == [tmp_path / "face_vgg19.onnx"]
    assert structures_digest(CLASSIFIER, files) != before
    assert fits(CLASSIFIER, files)
    filled = network_bytes(CLASSIFIER, files, lambda: b"by torch")
    session = onnxruntime.InferenceSession(filled, providers=["CPUExecutionProvider"])
    faces = some_faces(2)
    with torch.no_grad():
        expected = load_face_vgg(path).probabilities(torch.from_numpy(faces))
    for answer, wanted in zip(session.run(None, {"faces": faces}), expected, strict=True):
        np.testing.assert_allclose(answer, wanted.numpy(), atol=1e-5)


def test_other_values_of_the_shipped_shape_need_no_torch(tmp_path: Path) -> None:
    torch.manual_seed(0)
    path = tmp_path / "own.safetensors"
    save_face_vgg(FaceVGG(load_face_vgg(SHIPPED.classifier).config), path)
    assert fits(CLASSIFIER, {"classifier": path})


def test_where_torch_is_missing_one_line_says_what_to_type(
    narrow: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def export() -> bytes:
        import torchvision_that_nobody_has  # type: ignore[import-not-found]

        return bytes(torchvision_that_nobody_has)

    files = {"classifier": narrow}
    with pytest.raises(ModuleNotFoundError):  # not ours to explain
        network_bytes(CLASSIFIER, files, export)
    monkeypatch.setitem(sys.modules, "torch.onnx", None)

    def export_with_torch() -> bytes:
        import torch.onnx

        return bytes(torch.onnx)

    says = r"shape, so torch\.onnx is needed .*: pip install 'streamfer\[learn\]'"
    with pytest.raises(EngineError, match=says):
        network_bytes(CLASSIFIER, files, export_with_torch)


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"rubbish", "not an ONNX file"), (None, r"own\.safetensors: cannot read the weights")],
)
def test_damaged_files_are_named(content: bytes | None, says: str, tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    shutil.copyfile(SHIPPED.classifier, path)
    if content is None:
        path.write_bytes(b"rubbish")
    else:
        structure_path(CLASSIFIER, tmp_path).write_bytes(content)
    with pytest.raises(EngineError, match=says):
        fill_network(CLASSIFIER, {"classifier": path})
