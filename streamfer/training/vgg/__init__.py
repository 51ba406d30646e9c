"""Parts of the training of the classifier."""
