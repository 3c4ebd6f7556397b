"""The claims of the papers, and ours: what holds, under which hypotheses, and where it does not.

A statement is a function that returns both sides of its claim for one instance, computed without
sampling; `kondo_ref.claims.register` binds it to its hypotheses, to a small instance, and to one
counterexample for each hypothesis. ``kondo-ref claims`` prints the table.
"""
