"""`--web`: the live page of a run."""
