"""Refinement of latent codes beside the frames."""
