"""Which files run through which engines."""
