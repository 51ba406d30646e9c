"""Training of expression classifiers on any backbone, with or without the latent code."""
