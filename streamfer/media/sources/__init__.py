"""Every kind of source: decoding, timing, connection."""
