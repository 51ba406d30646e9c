"""The live view, the tables and the window."""
