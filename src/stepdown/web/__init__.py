"""The doors in a browser: pages to watch, read and edit at `/`, and an OpenAI-compatible endpoint at `/v1`."""
