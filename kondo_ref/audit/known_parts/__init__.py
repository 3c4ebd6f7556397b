"""The parts that known implementations are put together from: transforms, prices, counts, ties.

Each is named by a tuple, ``(name, number, ...)``, so that a member of the family
(`kondo_ref.audit.known_family`) is plain data that can be compared and printed. Right and wrong
parts stand side by side: the family has to describe what people wrote, not what they should have.
"""

from kondo_ref.audit.known_parts.baselines import baseline_of, scaled_by, without_others
from kondo_ref.audit.known_parts.counts import chosen, count_of
from kondo_ref.audit.known_parts.extras import extra_part
from kondo_ref.audit.known_parts.part import RAW, Part, number
from kondo_ref.audit.known_parts.prices import price_of
from kondo_ref.audit.known_parts.scopes import parts_of
from kondo_ref.audit.known_parts.squashes import squash
from kondo_ref.audit.known_parts.surprisals import surprisal_part
from kondo_ref.audit.known_parts.transforms import transform

__all__ = [
    "RAW",
    "Part",
    "baseline_of",
    "chosen",
    "count_of",
    "extra_part",
    "number",
    "parts_of",
    "price_of",
    "scaled_by",
    "squash",
    "surprisal_part",
    "transform",
    "without_others",
]
