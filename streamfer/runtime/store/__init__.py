"""The store of compiled engines."""
