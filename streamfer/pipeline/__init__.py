"""The multi-threaded pipeline from sources to outputs."""
