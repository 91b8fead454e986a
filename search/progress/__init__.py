"""What a search records and shows while it runs."""
