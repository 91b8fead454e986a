"""The Optuna study of a run; the only package that imports Optuna."""
