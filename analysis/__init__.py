"""A run's files, and how a run is read: results, ranking and comparison."""
