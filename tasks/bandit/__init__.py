"""Softmax bandits with one right arm a context, and how a method divides its budget over them."""
