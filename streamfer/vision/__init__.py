"""Face detection, alignment and the overlay."""
