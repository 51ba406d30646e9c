"""Refinement of codes for the running program: arrays in, arrays out."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from pathlib import Path

import torch

from streamfer.errors import EngineError
from streamfer.models.inversion.descent import InversionConfig
from streamfer.models.inversion.inversion import Inverter
from streamfer.models.inversion.lens import Lens
from streamfer.models.inversion.portrait import PortraitLens
from streamfer.models.storage import load_generator
from streamfer.models.stylegan2 import Generator
from streamfer.models.vgg import FaceVGG, load_face_vgg
from streamfer.types import FloatArray, Refinement, UInt8Array


class LatentRefiner:
    """Optimises codes on one device, on a CUDA stream of its own where that is a GPU.

    Args:
        generator: frozen.
        lens: frozen.
        config: how long and how hard.
        device: where to work.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        generator: Generator,
        lens: Lens | PortraitLens,
        config: InversionConfig,
        device: torch.device,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._device = device
        self._interrupted = threading.Event()
        self._stream: torch.cuda.Stream | None = None
        if device.type == "cuda":
            self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        with self._on_stream():
            self._inverter = Inverter(
                generator.to(device),
                lens.to(device),
                config,
                clock,
                dtype=torch.bfloat16 if multiplies_bf16(device) else None,
                stop=self._interrupted.is_set,
            )

    def start(self) -> None:
        """Nothing is left to load."""

    def refine(self, crops: UInt8Array, latents: FloatArray) -> Refinement:
        """Optimises the codes of faces.

        Args:
            crops: (N, S, S) uint8 gray aligned faces, or (N, S, S, 3) portraits, as the generator
                draws.
            latents: (N, num_ws, w_dim) float32 codes to start from.

        Raises:
            EngineError: the device failed.
        """
        try:
            with self._on_stream():
                found = self._inverter.invert(torch.from_numpy(crops), torch.from_numpy(latents))
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise EngineError(f"refinement on {self._device}: {reason}") from error
        return Refinement(
            latents=found.latent.numpy(),
            reconstructions=found.reconstruction.numpy(),
            errors=found.mse.numpy(),
            steps=found.steps,
            seconds=found.seconds,
        )

    def interrupt(self) -> None:
        """Ends the optimisation after the present step, now and in future."""
        self._interrupted.set()

    def close(self) -> None:
        """Nothing is held but memory."""

    def _on_stream(self) -> contextlib.AbstractContextManager[object]:
        return torch.cuda.stream(self._stream) if self._stream else contextlib.nullcontext()


def load_refiner(
    generator: Path, classifier: Path, config: InversionConfig, device: str
) -> LatentRefiner:
    """A refiner from weight files.

    Args:
        generator: file of a generator.
        classifier: file of the face network that becomes the lens.
        config: how long and how hard.
        device: `cpu`, `cuda` or `cuda:N`.

    Raises:
        EngineError: a file is missing, damaged or of another kind, or the device cannot be used.
    """
    drawn, network = load_generator(generator), load_face_vgg(classifier)
    try:
        return LatentRefiner(drawn, lens_for(drawn, network), config, torch.device(device))
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise EngineError(f"refinement on {device}: {reason}") from error


def lens_for(generator: Generator, network: FaceVGG) -> Lens | PortraitLens:
    """The lens through which a generator's pictures are compared: of portraits it sees the face."""
    lens = Lens(network)
    return lens if generator.config.img_channels == 1 else PortraitLens(lens)


def multiplies_bf16(device: torch.device) -> bool:
    """Whether the device has bfloat16 arithmetic; emulated, it is slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return bool(torch.cpu.get_capabilities().get("avx512_bf16"))
