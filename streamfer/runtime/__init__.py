"""Inference backends and the store of compiled engines."""
