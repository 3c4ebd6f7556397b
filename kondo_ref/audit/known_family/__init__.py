"""The family of gates and policy gradients that people have written, as data and one formula.

A `Member` says how an implementation gets from (advantage, surprisal, mask) to the coefficients;
`prepare` computes its keep probabilities and `coefficients` what it makes of them, in NumPy. The
claimed estimator is a member, a known mistake is a member that differs in one field or two, and
what a target is comes out as the member that reproduces it. The data's way through the modules:
member -> units -> keep (with history) -> prepared -> weight and divisor -> detached -> attached ->
coefficients.
"""

from kondo_ref.audit.known_family.coefficients import coefficients
from kondo_ref.audit.known_family.detached import weights
from kondo_ref.audit.known_family.divisor import divisor
from kondo_ref.audit.known_family.member import Member, of_claim, of_gate
from kondo_ref.audit.known_family.prepared import Prepared, prepare, unit_signal
from kondo_ref.audit.known_family.units import shared_labels
from kondo_ref.audit.known_family.weight import weight_of

__all__ = [
    "Member",
    "Prepared",
    "coefficients",
    "divisor",
    "of_claim",
    "of_gate",
    "prepare",
    "shared_labels",
    "unit_signal",
    "weight_of",
    "weights",
]
