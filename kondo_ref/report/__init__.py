"""Results -> pages: blocks, and how they are laid out as HTML and Markdown.

`kondo_ref.report.blocks` says what a report is made of, `page` and `markdown` lay it out. An audit
has a report of its own, of the same blocks. `kondo-ref report` gathers any number of results:

files and folders -> `sources` -> `sections`, one a result -> `document` -> `page`
"""
