"""Face identities over time."""
