"""The studies of the papers: settings as data, runs, tidy results, ours beside the published.

study (data) -> parts, each a task with its settings -> units -> tidy rows -> statistics with
intervals -> table and figure. The table and the figure are made of the tidy rows alone.
"""
