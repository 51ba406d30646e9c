"""`streamfer measure`: figures of recorded faces and of what goes on between them."""
