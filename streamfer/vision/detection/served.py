"""How faces are looked for wherever they are: in runs, photographs, landmark caches, evaluation.

What learns and what is measured must see the faces that a run sees, placed as a run places them.
"""

from __future__ import annotations

from streamfer.vision.detection.detector import DetectorConfig

SERVED = DetectorConfig(
    full_size=True,
    # Below the score of a new face: a face that is already tracked may be seen less surely.
    score_threshold=0.2,
    min_face_px=16,
    smaller_looks=True,
)
"""A run's settings, where nothing else was asked for."""
