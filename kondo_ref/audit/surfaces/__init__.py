"""Calling shapes: how a target is called, and what is read off what it returns."""
