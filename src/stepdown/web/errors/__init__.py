"""Errors as pages and as the JSON objects that programs read."""
