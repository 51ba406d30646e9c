"""How faces are looked for wherever they are: in runs, photographs, landmark caches, evaluation.

What learns and what is measured must see the faces that a run sees, placed as a run places them.
"""

from __future__ import annotations

from streamfer.vision.detection.detector import DetectorConfig

SERVED = DetectorConfig(
    full_size=True,
    # Below the score of a new face: a face that is already tracked may be seen less surely.
    score_threshold=0.2,
    # Of 3,600 of FER2013's training faces, 160 px in 640 and in H.264, 98.94 % are found instead
    # of 98.58, with 11 boxes beside heads that have one instead of 8 (0.12: 99.0 % and 24), and
    # nothing more in paintings, photographs and videos.
    large_score_threshold=0.15,
    min_face_px=16,
    smaller_looks=True,
)
"""A run's settings, where nothing else was asked for."""
