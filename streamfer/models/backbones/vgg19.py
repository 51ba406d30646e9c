"""The trunk of the face network (`streamfer.models.vgg`) as a backbone."""

from __future__ import annotations

from torch import Tensor

from streamfer.models.backbones.backbone import Backbone, BackboneConfig
from streamfer.models.vgg import NUM_STAGES, FaceVGG, FaceVGGConfig


class VGG19(Backbone):
    """VGG19 with batch normalisation.

    Args:
        config: its shape.
    """

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        network = FaceVGG(FaceVGGConfig(config.width, config.input_size))
        self.trunk = network.trunk
        self.num_features = network.num_features
        self.map_shape = self.num_features, config.input_size // 2 ** (NUM_STAGES - 1)

    def maps(self, pictures: Tensor) -> Tensor:
        """[N1HW] float pictures to [NCHW] feature maps."""
        return self.trunk(pictures)
