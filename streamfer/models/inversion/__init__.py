"""The search for a code from which the generator draws a given face."""
