"""Models: a hand-written forward, and a backward that takes the kept rows alone."""
