"""Labelled faces: readers, alignment, augmentation."""
