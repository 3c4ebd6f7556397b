"""Timing: what a gated step costs beside its forward pass, and beside other ways to write it."""
