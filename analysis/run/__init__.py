"""A run's files; the only package that knows how they lie on disk."""
