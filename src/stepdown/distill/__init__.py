"""From a corpus to a student folder: training, and what is written of it."""
