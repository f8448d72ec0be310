"""Trackers of experiments: parameters, curves, tables and files of trainings and runs, where people look at theirs."""

from stepdown.tracking.tracker import NAMES, Figures, Rows, Tracker, Tracking, open_tracking

__all__ = ["NAMES", "Figures", "Rows", "Tracker", "Tracking", "open_tracking"]
