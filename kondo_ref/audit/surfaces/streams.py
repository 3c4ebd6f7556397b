"""Surface stream: an object that is fed one decision at a time and says whether to keep it."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kondo_ref.audit.batch import Batch
from kondo_ref.audit.frameworks.interface import Framework
from kondo_ref.audit.guard import Unreadable
from kondo_ref.audit.observation import Observation
from kondo_ref.audit.options import Options
from kondo_ref.audit.returned import parts
from kondo_ref.audit.roles import RANDOM
from kondo_ref.audit.rounding import rounded
from kondo_ref.audit.signature import plan
from kondo_ref.audit.surfaces.arguments import Call, View
from kondo_ref.audit.surfaces.prepared import Make, Observe, Prepared, called
from kondo_ref.randomness import Purpose, uniforms

USUAL = ("decide", "keep", "offer", "gate", "__call__", "step", "update")
FLOATS = ("delight", "logp", "surprisal", "advantages")


class StreamSurface:
    """decide(delight) -> keep?, or a weight; also of the log-probability and the advantage."""

    name = "stream"
    offered: tuple[str, ...] = ()

    def prepare(self, make: Make, framework: Framework, options: Options) -> Prepared:
        """Find out how the target is called."""
        fresh = called(make, options, USUAL, "decide")
        layout = plan(fresh(), ("delight",), (*FLOATS[1:], *RANDOM), options)

        def start(batches: Sequence[Batch], seed: int) -> Observe:  # noqa: ARG001
            decide = fresh()
            fed = 0

            def value(role: str, view: View, place: int, call: Call) -> Any:
                nonlocal fed
                if role in FLOATS:
                    number = view.floats(role).reshape(-1)[place]
                elif role == "uniforms":
                    draw = uniforms(call.seed, Purpose.GATE, call.number, (view.size,))
                    number = rounded(draw, view.batch.dtype)[place]
                else:
                    return framework.random(role, call.seed, fed)
                return framework.floats(np.asarray(number), view.batch.dtype)

            def observe(call: Call) -> Observation:
                nonlocal fed
                if call.batch.mask is not None:
                    raise Unreadable("mask: a stream takes none")
                view = View(call.batch, options)
                weights = np.empty(view.size)
                for place in range(view.size):
                    values = {role: value(role, view, place, call) for role in layout.roles}
                    answer = parts(layout.call(decide, values), options.returns, "weights")
                    fed += 1
                    weights[place] = _number(answer.weights, framework)
                return Observation(weights=weights.reshape(call.batch.shape))

            return observe

        return Prepared(frozenset({"weights"}), start)


def _number(answer: Any, framework: Framework) -> float:
    try:
        array = framework.to_numpy(answer)
    except (TypeError, ValueError) as error:
        raise Unreadable(f"returned no decision: {error}") from None
    if array.size != 1:
        raise Unreadable(f"returned {array.size} numbers for one decision")
    return float(array.reshape(-1)[0])


STREAM = StreamSurface()
