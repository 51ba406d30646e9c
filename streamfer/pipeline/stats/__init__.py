"""Counting and timing of a run."""
