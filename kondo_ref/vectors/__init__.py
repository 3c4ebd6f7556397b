"""Golden vectors: published cases of the gate, their schema, and the check of a backend on them."""
