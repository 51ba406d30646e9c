"""`streamfer bench`: speed and latency of the program and of its networks."""
