"""FMD and what else is measured of samples."""
