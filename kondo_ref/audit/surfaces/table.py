"""The surfaces by their names."""

from kondo_ref.audit.surfaces.gates import GATE, LISTS
from kondo_ref.audit.surfaces.losses import LOGITS, LOGPROBS, REWARDS
from kondo_ref.audit.surfaces.prepared import Surface
from kondo_ref.audit.surfaces.screens import SCREEN
from kondo_ref.audit.surfaces.steps import STEP
from kondo_ref.audit.surfaces.streams import STREAM

TABLE: dict[str, Surface] = {
    surface.name: surface
    for surface in (LOGITS, LOGPROBS, REWARDS, GATE, LISTS, STREAM, SCREEN, STEP)
}
