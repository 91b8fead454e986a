"""The sections of a run's report page, and what they are made of; analysis/report.py puts them together."""
