"""Checks of cluster.yaml files, offline."""
