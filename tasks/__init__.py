"""Tasks: environments, their settings as data, and the analysis of their runs."""
