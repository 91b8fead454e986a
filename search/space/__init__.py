"""A search space: a module-level function, checked, with what is fixed and what starts it."""
