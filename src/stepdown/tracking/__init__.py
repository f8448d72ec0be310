"""Trackers of experiments: parameters, curves and artefacts of trainings and runs, kept where people look at theirs."""

from stepdown.tracking.tracker import NAMES, Figures, Tracker, Tracking, open_tracking

__all__ = ["NAMES", "Figures", "Tracker", "Tracking", "open_tracking"]
