"""What happens in a stream, made from its results."""
