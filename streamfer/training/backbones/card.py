"""The card beside a classifier on a backbone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from streamfer.models.shipped import weights_sha256
from streamfer.training.backbones.run import BackboneRun
from streamfer.training.vgg.card import commit_of_checkout

_TEXT = """\
# {name}: seven expressions from an aligned face

Backbone `{backbone}`, width {width:g}, {input_size} px inside; latent code: {latent}.
{parameters:,} parameters without the encoder, {size:.1f} MiB with all that serving needs.

- Input: 64 × 64 gray uint8, aligned by `streamfer.vision.align`.
- Output: probabilities of {expressions}, by the labels of
  `{labels}`. It learned from faces in the style `{style}`.
- SHA-256: `{sha256}`

## Data

{faces:,} training faces; {calibration} more, one in 32, were kept back to fit the temperature. No
face chose anything: these are the averaged weights of the last epoch. Measured on {validation}
others ({how}): accuracy {accuracy}.

## Recipe

Code at commit `{commit}`.

```
{recipe}
```

## Intended use, and limits

These labels say what an expression looks like to strangers who see one cropped, often posed picture
from the web. They do not say what a person feels, thinks or intends. The encoder of the latent code
learned from the same pictures through a larger classifier's eyes, so what the code adds may be that
classifier's knowledge. Do not use the answers to judge, select, grade or watch individuals.
"""


def write_card(weights: Path, run: BackboneRun, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Writes the weights' card beside them, as Markdown.

    Args:
        weights: the file.
        run: that trained it.
        rows: one per epoch.
    """
    config, network, faces = run.config, run.network, run.faces
    latent: str = config.latent
    if network.reads_codes:
        latent = f"{latent}, {int(network.mask.sum())} of {len(network.mask)} indices"
    accuracy = rows[-1]["accuracy"]
    text = _TEXT.format(
        name=weights.stem,
        backbone=config.backbone,
        width=config.width,
        input_size=config.input_size,
        latent=latent,
        parameters=sum(p.numel() for p in network.parameters()),
        size=weights.stat().st_size / 2**20,
        expressions=", ".join(run.network.expressions),
        labels=faces.labels,
        style=faces.style,
        sha256=weights_sha256(weights),
        faces=len(faces.classes),
        calibration=len(faces.calibration),
        validation=len(faces.validation),
        how=faces.how,
        accuracy="–" if accuracy is None else f"{accuracy:.2%}",
        commit=commit_of_checkout(),
        recipe="\n".join(f"{k} = {v}" for k, v in asdict(config).items()),
    )
    card = weights.with_suffix(".md")
    card.write_text(text, "utf-8")
    return card
