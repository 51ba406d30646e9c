"""Face detectors and the search of the picture."""
