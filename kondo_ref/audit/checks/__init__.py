"""The checks of an audit: one file for each group of dimensions of the catalogue."""
