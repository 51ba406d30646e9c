"""`streamfer export`: records in the formats of other trades."""
