"""Crafted batches: a named set that separates the members of the family from each other.

Numbers are made to be exact in float32, so that a target which computes in it sees the same batch;
delights are spread so that no signal lies near another unless a tie is meant.
"""

from kondo_ref.audit.probes.count import count_probes, telling_sizes
from kondo_ref.audit.probes.edit import join, rows, take, with_advantages
from kondo_ref.audit.probes.flat import flat_probes
from kondo_ref.audit.probes.make import exact, generic, make, spaced
from kondo_ref.audit.probes.memory import memory_probes
from kondo_ref.audit.probes.probe import Probe, as_rows, grouped
from kondo_ref.audit.probes.sequences import ragged_probes, sequence_probes
from kondo_ref.audit.probes.ties import tie_probes

__all__ = [
    "Probe",
    "as_rows",
    "count_probes",
    "exact",
    "flat_probes",
    "generic",
    "grouped",
    "join",
    "make",
    "memory_probes",
    "ragged_probes",
    "rows",
    "sequence_probes",
    "spaced",
    "take",
    "telling_sizes",
    "tie_probes",
    "with_advantages",
]
