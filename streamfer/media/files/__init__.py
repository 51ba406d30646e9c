"""Output files: their paths, and how they come to stand whole at them."""
