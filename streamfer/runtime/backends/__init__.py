"""One file for each inference backend."""
