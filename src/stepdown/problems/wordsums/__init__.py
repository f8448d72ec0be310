"""Word sums: arithmetic word problems generated from a seed, with worked solutions and gold plans."""

from stepdown.problems.wordsums.frames import load_frames
from stepdown.problems.wordsums.generator import DEFAULT_COUNT, NAMES, about, generate

__all__ = ["DEFAULT_COUNT", "NAMES", "about", "generate", "load_frames"]
