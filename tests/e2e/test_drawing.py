"""The drawing beside a face in every frame of a real clip, against the encoder's own.

On an idle machine: `pytest -n0 -s -m slow tests/e2e/test_drawing.py`, which prints the figures.
"""

from __future__ import annotations

from contextlib import closing

import numpy as np
import pytest

from streamfer import Session
from streamfer.app.config import RunConfig
from streamfer.app.networks.drawer import EngineDrawer, open_draw_engine
from streamfer.models.shipped import SHIPPED
from streamfer.models.structures import ENCODER, fill_network
from streamfer.pipeline.refine.drawing import drawing_error
from streamfer.runtime.model import OnnxModel
from streamfer.runtime.open_engine import open_engine
from streamfer.runtime.store.store import EngineStore
from streamfer.types import FrameResult, UInt8Array
from streamfer.vision.align import align_face
from tests.support.shared import shared_file


class Shown:
    """A sink that keeps, of each frame with a face, its crop and the error that was shown."""

    def __init__(self) -> None:
        self.crops: dict[int, UInt8Array] = {}
        self.errors: dict[int, float] = {}
        self.refined: dict[int, bool] = {}

    def write(self, result: FrameResult) -> None:
        for face in result.faces[:1]:
            assert face.reconstruction is not None
            index = result.frame.index
            crop = align_face(result.frame.image, face.detection).image
            self.crops[index] = crop
            self.errors[index] = drawing_error(crop, face.reconstruction)
            self.refined[index] = face.latent_kind == "refined"
            assert face.reconstruction_error == pytest.approx(self.errors[index], rel=0.05)


def encoder_errors(crops: list[UInt8Array]) -> list[float]:
    """The errors of the drawings of the encoder's own codes."""
    store = EngineStore()
    filled = fill_network(ENCODER, {"encoder": SHIPPED.encoder})
    assert filled is not None
    model = OnnxModel.from_bytes(ENCODER, filled)
    draw = open_draw_engine(SHIPPED.generator, RunConfig(), "cpu", store, lambda *_: None)
    with (
        closing(open_engine(model, device="cpu", precision="fp32", store=store)) as encoder,
        closing(draw),
    ):
        errors = []
        for crop in crops:
            code = encoder.run({"faces": crop[None]})["latent"]
            errors.append(drawing_error(crop, EngineDrawer(draw).draw(code)[0]))
        return errors


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("realtime", [False, True], ids=["full speed", "its own rate"])
def test_the_shown_drawing_is_better_than_the_encoder_s_and_never_worse(realtime: bool) -> None:
    clip = str(shared_file("media/WolfgangLanger_Pexels.mp4"))
    shown = Shown()
    with Session() as session:
        session.run(clip, sinks=[shown], realtime=realtime)
    frames = sorted(shown.errors)
    assert len(frames) > 100
    own = np.array(encoder_errors([shown.crops[i] for i in frames]))
    ratios = np.array([shown.errors[i] for i in frames]) / own
    share = np.mean([shown.refined[i] for i in frames])
    print(
        f"\n{len(frames)} frames, {share:.0%} refined; error of the shown drawing to the"
        f" encoder's: mean {ratios.mean():.3f}, largest {ratios.max():.3f}"
    )
    assert ratios.max() <= 1.05
    assert ratios.mean() <= 0.75
