"""Every deviation that an audit can name, as data: id -> dimension, severity, definition, sentence.

The findings of `kondo_ref.audit.engine` take their words from here; the checks add the numbers.
An id is ``dimension.what``. Ids ending in ``.other`` say that the dimension deviates in a way that
has no name yet: what was measured is in the evidence.
"""

from kondo_ref.audit.catalogue.behaviour import BEHAVIOUR
from kondo_ref.audit.catalogue.entry import DIMENSIONS, WRONG, Entry
from kondo_ref.audit.catalogue.gates import GATES
from kondo_ref.audit.catalogue.signals import SIGNALS
from kondo_ref.audit.catalogue.updates import UPDATES

__all__ = ["CATALOGUE", "DIMENSIONS", "Entry"]

_OUTSIDE = Entry(
    "signal.outside-family",
    "signal",
    WRONG,
    "c = G * U / Z, with the claimed gate",
    "The coefficients are not the claim's, and no known mistake explains them.",
)

CATALOGUE: dict[str, Entry] = {
    entry.id: entry for entry in (*SIGNALS, *GATES, *UPDATES, *BEHAVIOUR, _OUTSIDE)
}
