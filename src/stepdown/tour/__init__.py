"""The recorded study that `stepdown tour` opens: its files, copied where they can be read, and the way through it."""

from stepdown.tour.study import CORPUS, RECORDED, STORE, Study, StudyRuns, TourExample, copy_to, read_study
from stepdown.tour.way import TourStop, Way

__all__ = [
    "CORPUS",
    "RECORDED",
    "STORE",
    "Study",
    "StudyRuns",
    "TourExample",
    "TourStop",
    "Way",
    "copy_to",
    "read_study",
]
