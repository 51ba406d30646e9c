"""Files that a run writes: which it may, and how."""
