"""Command line, configuration and assembly of the program."""
