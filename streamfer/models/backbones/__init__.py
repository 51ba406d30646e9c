"""Networks that describe faces, as the authors of expression classifiers have them."""
