"""Where results and events go besides files: other programs, over the network."""
