"""Student folders: how they are written, described and converted to GGUF."""
