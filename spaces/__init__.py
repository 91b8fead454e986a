"""Search spaces, one a file, and the baselines from the literature."""
