"""DAN's published checkpoints: read strictly, key by key, to learn on from them.

They hold `{iter, model_state_dict, optimizer_state_dict}`; of the networks `features`, four
`cat_head`s, `fc` and `bn`, at full width for 224 px in three channels.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from streamfer.errors import EngineError
from streamfer.models.backbones.backbone import BackboneConfig
from streamfer.models.backbones.dan import DAN
from streamfer.models.checkpoints import named_tensors, read_checkpoint
from streamfer.models.storage import load_into

PUBLISHED_SHAPE = BackboneConfig("dan", width=1.0, stem="imagenet", input_size=224)
"""The shape of every published file."""

_CLASSIFIER = ("fc.", "bn.")


class PublishedDAN(DAN):
    """DAN with the authors' own classifier.

    Args:
        num_classes: 7, or 8 with contempt; their order is the data set's.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__(PUBLISHED_SHAPE)
        self.norm = nn.Identity()
        self.fc = nn.Linear(self.num_features, num_classes)
        self.bn = nn.BatchNorm1d(num_classes)

    def forward(self, pictures: Tensor) -> Tensor:
        """[N3HW] float pictures to logits (N, num_classes)."""
        return self.bn(self.fc(super().forward(pictures)))

    def backbone_state(self) -> dict[str, Tensor]:
        """The tensors of the backbone alone; what standardises its descriptions is new."""
        tensors = {k: v for k, v in self.state_dict().items() if not k.startswith(_CLASSIFIER)}
        norm = nn.BatchNorm1d(self.num_features, affine=False)
        return tensors | {f"norm.{name}": value for name, value in norm.state_dict().items()}


def load_published_dan(path: Path) -> PublishedDAN:
    """Reads a published checkpoint of DAN; no code in it runs.

    Raises:
        EngineError: the file is missing, damaged, or has other keys or shapes.
    """
    content = read_checkpoint(path)
    tensors = named_tensors(content.get("model_state_dict", content), path)
    classes = tensors.get("fc.weight")
    if classes is None or classes.ndim != 2 or len(classes) not in (7, 8):
        raise EngineError(f"{path}: not a checkpoint of DAN: no classifier of 7 or 8 classes")
    network = PublishedDAN(len(classes))
    load_into(network, tensors, path)
    return network.eval()
