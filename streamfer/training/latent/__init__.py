"""Parts of the training of generator and encoder."""
