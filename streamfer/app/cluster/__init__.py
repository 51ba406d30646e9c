"""A run on many machines: Ray starts the workers, this package shares the work out."""
