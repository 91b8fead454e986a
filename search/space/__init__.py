"""Search spaces: functions that suggest a variant to a trial, loaded, checked and completed."""
