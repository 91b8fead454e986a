"""What one trial is made of: data, schedules, degradations, networks, samplers and the metric."""
