"""Trials on machines; the only package that imports Ray."""
