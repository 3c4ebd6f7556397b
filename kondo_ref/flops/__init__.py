"""FLOP accounting: typed counts by stage, as closed forms and as counted where they run."""
