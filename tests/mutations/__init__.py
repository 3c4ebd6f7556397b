"""The tables of mutants: name, function, what its source says, what it says instead, its killer.

A row that no longer applies, because the function was rewritten, fails its test: write the same
mistake into the new source.
"""

from mutations import inputs, screeners, screening, sequences, transformer, update

TABLE: tuple[tuple[str, str, str, str, str], ...] = (
    *screening.TABLE,
    *screeners.TABLE,
    *update.TABLE,
    *inputs.TABLE,
    *transformer.TABLE,
    *sequences.TABLE,
)
