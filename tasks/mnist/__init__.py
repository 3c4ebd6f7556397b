"""MNIST as a contextual bandit: one action per image, reward 1 if it is the label."""
