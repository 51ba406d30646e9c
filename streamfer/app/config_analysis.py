"""The options of what is looked for in the pictures, and of what computes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from streamfer.app.config_fields import BackboneName, Backend, DetectorName, Precision, option
from streamfer.app.config_outputs import OutputOptions
from streamfer.labels import LabelSet
from streamfer.models.inversion.descent import STEPS_OF_A_RUN

DETECTION_SIDE = 640
"""Long side of the detector's input for a whole picture, where `--detect-size` is auto."""


@dataclass(frozen=True, slots=True)
class AnalysisOptions(OutputOptions):
    """The second part of `RunConfig`."""

    detector: DetectorName = option("auto", "Face detector.", group="Analysis")
    detect_every: str = option(
        "auto",
        "Detect on every Nth frame and track in between, or auto.",
        group="Analysis",
        metavar="N|auto",
    )
    detect_size: str = option(
        "auto",
        "Long side of the detector's input in pixels; auto: small, and parts at full size in turn.",
        group="Analysis",
        metavar="N|auto",
    )
    min_face: int = option(
        16, "Smallest face to report, in pixels.", group="Analysis", low=1, metavar="PX"
    )
    face_model: str = option(
        "shipped",
        "The shipped networks, a pulled encoder of portraits (e4e-ffhq, psp-ffhq), or a file of"
        " weights that train classifier wrote.",
        group="Analysis",
        metavar="NAME|FILE",
    )
    backbone: BackboneName = option(
        "any", "Backbone that the weights of --face-model FILE must have.", group="Analysis"
    )
    label_set: LabelSet = option(
        "ferplus", "Whose labels: FER+ crowd votes, or FER2013's.", group="Analysis"
    )
    heads: str = option(
        "all",
        "What else to say of each face: all, none, or of pose, valence, expressiveness.",
        group="Analysis",
        metavar="all|none|NAME,…",
    )
    baseline: str | None = option(
        None,
        "Say how each face departs from its usual look, learned in so many seconds, or all along.",
        group="Analysis",
        metavar="SECONDS|auto",
    )
    events: bool = option(
        True, "See when faces come, go and change, and note it as events.", group="Events"
    )
    event: tuple[str, ...] = option(
        (),
        "A rule that makes an event, such as 'smile: happy > 0.8 for 2 s'; any number.",
        group="Events",
        metavar="[NAME:]RULE",
    )
    refine: bool = option(
        True, "Refine the latent codes of tracked faces in the background.", group="Analysis"
    )
    refine_every: float = option(
        0.5,
        "Media time between two refinements of one face.",
        group="Analysis",
        low=0.1,
        metavar="SECONDS",
    )
    refine_steps: int = option(
        STEPS_OF_A_RUN,
        "Most steps of one refinement.",
        group="Analysis",
        low=1,
        high=10_000,
    )
    backend: Backend = option("auto", "Inference backend.", group="Analysis")
    device: str = option("auto", "auto, cpu, cuda or cuda:N.", group="Analysis", metavar="NAME")
    precision: Precision = option("auto", "Arithmetic of the networks.", group="Analysis")
    threads: int = option(
        0,
        "Threads for the networks on a CPU; 0 for all that help.",
        group="Analysis",
        low=0,
        high=256,
    )
    cpu_budget: float | None = option(
        None,
        "Keep a live run within so many cores: new faces are looked for less often, codes refined"
        " more seldom.",
        group="Analysis",
        low=0.1,
        high=1024.0,
        metavar="CORES",
    )

    @property
    def detection_interval(self) -> int | Literal["auto"]:
        """`detect_every` as the tracker takes it."""
        return "auto" if self.detect_every == "auto" else int(self.detect_every)

    @property
    def drawing_precision(self) -> Literal["auto", "fp32"]:
        """Of the networks that draw and refine faces on a CPU.

        int8 shows in pictures; bf16, which `auto` takes where the CPU multiplies it, does not: a
        quarter of a gray level.
        """
        return "auto" if self.precision in ("auto", "bf16") else "fp32"

    @property
    def baseline_s(self) -> float | None:
        """Seconds of `baseline`; None for `auto`."""
        return None if self.baseline in (None, "auto") else float(self.baseline)

    @property
    def detection_side(self) -> int:
        """Long side of the detector's input for a whole picture, in pixels."""
        return DETECTION_SIDE if self.detect_size == "auto" else int(self.detect_size)
