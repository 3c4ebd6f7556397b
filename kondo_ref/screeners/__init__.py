"""Speculative screening: an approximate delight decides, the exact backward follows for the kept.

observations -> **screener's look** -> approximate surprisal -> approximate delight (with the exact
advantage) -> price -> keep probability -> gate -> kept rows -> **exact forward of these alone** ->
exact surprisal -> backward -> update. `speculation` is that step, `screener` what a screener is; a
module for each kind: `exact` (and exact with noise), `stale`, `quantised`, `cached`, `draft`.
`named` makes one from a word; `fidelity` says how good one was, for which it needs the truth.

What is approximate is the choice and nothing else: advantages come with the batch, and surprisal
and gradient of what was kept are those of the exact parameters.
"""
