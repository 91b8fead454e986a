"""The confirmation: who is trained again, which training is next, what the test images say."""
