"""The report of recorded runs: a page that opens from disk."""
