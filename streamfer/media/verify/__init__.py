"""Holds outputs against their input."""
