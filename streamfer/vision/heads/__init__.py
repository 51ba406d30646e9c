"""What else can be said of a face: each answer a file of its own, and a line in `registry`."""
