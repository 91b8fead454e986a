"""The command line and the driver of a search: Ray Tune, Optuna and the confirmation of the best."""
