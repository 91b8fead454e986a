"""Statistics of a run's tables."""
