"""Sources and sinks: decoding, cameras, annotated video, records."""
