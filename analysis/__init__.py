"""How a finished run is read: results, ranking and comparison."""
