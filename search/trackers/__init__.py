"""Experiment trackers of other projects, which are sent what the log has of each trial."""
