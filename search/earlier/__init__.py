"""What a search takes from earlier runs: trials, a warm start, trained weights."""
