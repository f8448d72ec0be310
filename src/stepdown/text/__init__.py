"""Text on its way out: figures for people, hostile text made safe to show, server-sent events."""
