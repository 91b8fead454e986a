"""What the commands generate, train and export share: models of a run and what they leave."""
