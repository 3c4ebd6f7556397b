"""How far rounding alone can move the results of a gate vector: what float64 can be held to.

A generated case is a test only where every honest float64 implementation must pass it. These
first-order bounds tell such cases from those that no implementation can pass: a loss that cancels,
a keep probability at a temperature far below the signals, a calibrated price on a plateau.
"""

import itertools
import math
from typing import Any


def amplification(case: dict[str, Any]) -> dict[str, float]:
    """Return a bound for each field, in units of its test ratio.

    It holds to first order for an implementation whose log-softmax errs by eps (1 + l), as any
    stable one does, and whose other steps err by eps each.
    """
    spec, inputs, out = case["spec"], case["inputs"], case["expected"]
    level, signal, keep = out["surprisal"], out["signal"], out["keep_probability"]
    temperature, alpha = spec["temperature"], spec.get("alpha", 0.0)
    size = [abs(u) for u in inputs["advantages"]]
    rows = range(len(signal))
    valid = [i for i in rows if inputs.get("mask", [True] * len(signal))[i]]

    dlevel = [1.0 + x for x in level]
    dsignal = {
        "delight": [size[i] * dlevel[i] + abs(signal[i]) for i in rows],
        "surprisal": dlevel,
        "additive": [alpha * size[i] + 2.0 * (1.0 - alpha) * dlevel[i] for i in rows],
    }.get(spec["signal"], [0.0 for _ in rows])
    dprice = price_bound(case, valid, dsignal)
    dkeep = [0.0 for _ in rows]
    if spec["price"] is not None and temperature > 0.0:
        for i in valid:
            dscaled = dsignal[i] + dprice + 2.0 * abs(signal[i] - out["price"])
            dkeep[i] = keep[i] + keep[i] * (1.0 - keep[i]) * dscaled / temperature
    dweight = dkeep if spec["draw"] == "soft" else [0.0 for _ in rows]

    kept = sum(w > 0.0 for w in out["weight"])
    divisor = {"decisions": len(valid), "kept": max(1, kept), "none": 1}[spec["normalizer"]]
    gain = [out["weight"][i] * size[i] / divisor for i in rows]
    dgain = [dweight[i] * size[i] / divisor for i in rows]
    dloss = sum(dgain[i] * level[i] + gain[i] * (3.0 * level[i] + dlevel[i]) for i in rows)
    # Each row of the gradient errs with its coefficient, and by 2 eps in 1 - pi besides.
    drows = [
        (dgain[i] / gain[i] + 3.0) * math.hypot(*out["grad_logits"][i]) + 2.0 * gain[i]
        for i in rows
        if gain[i]
    ]
    return {
        "surprisal": quotient(dlevel, level),
        "signal": quotient(dsignal, signal),
        "price": quotient([dprice], [out["price"] or 0.0]),
        "keep_probability": quotient(dkeep, keep),
        "weight": quotient(dweight, out["weight"]),
        "loss": quotient([dloss], [out["loss"]]),
        "grad_logits": quotient(drows, [g for row in out["grad_logits"] for g in row]),
    }


def price_bound(case: dict[str, Any], valid: list[int], dsignal: list[float]) -> float:
    """Return the error of the price, in units of eps, from those of the signals."""
    spec, out = case["spec"], case["expected"]
    if spec["price"] is None or spec["price"]["kind"] == "fixed":
        return 0.0
    if spec["price"]["kind"] == "quantile":
        ordered = sorted(out["signal"][i] for i in valid)
        gap = max((high - low for low, high in itertools.pairwise(ordered)), default=0.0)
        return float(max(dsignal[i] for i in valid) + len(valid) * gap + abs(out["price"]))
    # The root moves by the error of the sum of the keep probabilities over that sum's slope, and
    # a bracketing stops within 4 eps of it.
    bend = [w * (1.0 - w) for w in out["keep_probability"]]
    moved = sum(bend[i] * (dsignal[i] + 2.0 * abs(out["signal"][i] - out["price"])) for i in valid)
    rounding = spec["temperature"] * sum(out["keep_probability"])
    return float((moved + rounding) / (sum(bend) or math.ulp(0.0)) + 5.0 * abs(out["price"]))


def quotient(error: list[float], value: list[float]) -> float:
    """Return norm(error) / norm(value), 0 where nothing errs."""
    return math.hypot(*error) / (math.hypot(*value) or math.ulp(0.0)) if any(error) else 0.0
