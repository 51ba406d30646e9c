"""Records and latents: fields, formats and writers."""
