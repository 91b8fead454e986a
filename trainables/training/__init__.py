"""Training of a variant."""
