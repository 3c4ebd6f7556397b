"""Screeners side by side on the MNIST bandit: quality of the choice, error, executed FLOP."""
