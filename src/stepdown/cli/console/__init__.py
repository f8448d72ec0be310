"""The terminal: what is written to it, progress, tables, prompts, an editor and interrupts."""
