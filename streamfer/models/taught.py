"""What a file of a face classifier's weights says of itself, beside the shape of the network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from streamfer.labels import LABEL_SETS, LABELS, LabelSet, in_order
from streamfer.vision.align import ALIGNMENT


@dataclass(frozen=True, slots=True)
class Taught:
    """What a classifier was taught."""

    heads: tuple[LabelSet, ...] = LABEL_SETS
    """The label sets that it answers for."""
    expressions: tuple[str, ...] = LABELS
    """Those of LABELS that it has seen, in their order; the others get no probability."""

    def to_metadata(self) -> dict[str, str]:
        """As a file holds it."""
        return {
            "heads": ",".join(self.heads),
            "labels": ",".join(self.expressions),
            "alignment": ALIGNMENT,
        }

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> Taught:
        """Reads it; a file that says nothing was taught everything.

        Raises:
            ValueError: its labels are not some of LABELS, none of its heads was trained, or its
                faces are aligned in another way.
        """
        named = metadata.get("labels", ",".join(LABELS)).split(",")
        expressions = in_order(named)
        if list(expressions) != named:
            raise ValueError(
                f"its labels are {','.join(named)}: records hold {', '.join(LABELS)} alone, all or"
                " some of them in this order; train with folders of these names"
            )
        trained = metadata.get("heads", ",".join(LABEL_SETS)).split(",")
        heads = tuple(name for name in LABEL_SETS if name in trained)
        if not heads:
            raise ValueError("none of its heads was trained")
        alignment = metadata.get("alignment", ALIGNMENT)
        if alignment != ALIGNMENT:
            raise ValueError(f"its faces are aligned by {alignment}, here by {ALIGNMENT}")
        return cls(heads, expressions)
