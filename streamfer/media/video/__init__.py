"""The annotated video: pictures, sound and container."""
