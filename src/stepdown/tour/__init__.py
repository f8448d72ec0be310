"""The recorded study that `stepdown tour` opens: its files, copied where they can be read, and the way through it."""

from stepdown.tour.study import CORPUS, RECORDED, STORE, Example, Study, StudyRuns, copy_to, read_study
from stepdown.tour.way import Stop, Way

__all__ = ["CORPUS", "RECORDED", "STORE", "Example", "Stop", "Study", "StudyRuns", "Way", "copy_to", "read_study"]
