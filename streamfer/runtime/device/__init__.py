"""The path of pictures on a CUDA device."""
