"""A second source of gate vectors: the semantics again, in mpmath, by another route than the code.

Probabilities are quotients of exponentials at 80 digits and more, the quantile interpolates with
exact rationals, the calibrated price is bisected, top-k takes the maximum again and again, and the
gradient is a central difference of the loss with the gate held fixed. No formula for a derivative
and no stable rearrangement appears here, so agreement with `kondo_ref` means something.

As a program: python tests/gate_vectors_mpmath.py OUT.json --cases 50 --seed 1
"""

import argparse
import itertools
import json
import math
import random
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from gate_vectors_rounding import amplification
from mpmath import fsum, mp, mpf

SIGNALS = ("delight", "advantage", "abs_advantage", "surprisal", "uniform", "additive")
DRAWS = ("soft", "bernoulli", "top_k")
NORMALIZERS = ("decisions", "kept", "none")
PRICES = ("fixed", "quantile", "calibrated")
TEMPERATURES = (0.0, 0.01, 0.1, 0.3, 1.0, 10.0, 100.0)
RATES = (0.01, 0.03, 0.1, 0.25, 0.3, 0.375, 0.5, 0.75, 0.9, 1.0)
GUARD = 1e-6
WELL_POSED = 16.0

NOTES = {
    "soft": "weight sigmoid((signal - price) / temperature)",
    "hard": "temperature 0 means a strict inequality",
    "bernoulli": "keep when u < w, uniforms given",
    "top_k": "exact count, lowest index first",
    "fixed": "the price is given",
    "quantile": "linear interpolation, over valid decisions only",
    "calibrated": "mean keep probability equals the rate",
    "signal": "a priority signal other than delight",
    "normalizer": "a divisor other than the number of decisions",
    "mask": "invalid decisions",
    "empty": "nothing kept: zero loss, zero gradient, no NaN",
    "single": "a batch of one decision",
    "tie": "equal signals",
}


def evaluate(spec: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    """Return what the spec says of the inputs, as mpf numbers, and `margin`.

    `margin` is the distance of the nearest decision from its boundary: what must be large against
    the rounding of float64 for the decision to be the same in every arithmetic. An exact tie,
    which every arithmetic sees, does not count.
    """
    spread = max(max(row) - min(row) for row in inputs["logits"])
    with mp.workdps(80 + int(min(spread, 800) / 2.3)):
        return _evaluate(spec, inputs)


def _evaluate(spec: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    logits = [[mpf(z) for z in row] for row in inputs["logits"]]
    actions = inputs["actions"]
    advantages = [mpf(u) for u in inputs["advantages"]]
    n = len(logits)
    valid = [i for i in range(n) if inputs.get("mask", [True] * n)[i]]

    level = [-log_probability(row, a) for row, a in zip(logits, actions, strict=True)]
    alpha = mpf(spec.get("alpha", 0))
    signal = [
        {
            "delight": u * s,
            "advantage": u,
            "abs_advantage": abs(u),
            "surprisal": s,
            "uniform": mpf(1),
            "additive": alpha * u + (1 - alpha) * s,
        }[spec["signal"]]
        for u, s in zip(advantages, level, strict=True)
    ]

    margins = [mpf("inf")]
    keep = [mpf(0)] * n
    price = None
    temperature = mpf(spec["temperature"])
    if spec["draw"] == "top_k":
        exact = Fraction(spec["rate"]) * len(valid)
        k = max(1, round(exact))
        half = abs(exact - math.floor(exact) - Fraction(1, 2))
        margins += [mpf(float(half))] if half else []
        left = list(valid)
        for _ in range(k):
            best = left[0]
            for i in left:
                best = i if signal[i] > signal[best] else best
            keep[best] = mpf(1)
            left.remove(best)
        gaps = [signal[i] - signal[j] for i in valid if keep[i] for j in left]
        margins += [gap for gap in gaps if gap]
    else:
        price = solve_price(spec["price"], [signal[i] for i in valid], temperature)
        for i in valid:
            if temperature == 0:
                keep[i] = mpf(signal[i] > price)
                margins += [abs(signal[i] - price)] if signal[i] != price else []
            else:
                keep[i] = 1 / (1 + mp.exp(-(signal[i] - price) / temperature))
                # Whether a weight is a positive float64 or has vanished is a decision too.
                vanishing = abs(mp.log(keep[i]) + 715) < 45
                margins += [mpf(0)] if vanishing else []
    weight = keep
    if spec["draw"] == "bernoulli":
        uniforms = [mpf(u) for u in inputs["uniforms"]]
        weight = [mpf(i in valid and uniforms[i] < keep[i]) for i in range(n)]
        margins += [abs(uniforms[i] - keep[i]) for i in valid if temperature > 0]

    kept = sum(float(w) > 0 for w in weight)
    divisor = {"decisions": len(valid), "kept": max(1, kept), "none": 1}[spec["normalizer"]]
    frozen = [w * u / divisor for w, u in zip(weight, advantages, strict=True)]
    return {
        "surprisal": level,
        "signal": signal,
        "price": price,
        "keep_probability": keep,
        "weight": weight,
        "loss": fsum(c * s for c, s in zip(frozen, level, strict=True)),
        "grad_logits": [
            difference(row, a, c) for row, a, c in zip(logits, actions, frozen, strict=True)
        ],
        "margin": min(margins),
    }


def log_probability(row: Sequence[mpf], action: int) -> mpf:
    """Return log pi(action) from the quotient itself: mpf exponents do not overflow."""
    return mp.log(mp.exp(row[action]) / fsum(mp.exp(z) for z in row))


def difference(row: Sequence[mpf], action: int, coefficient: mpf) -> list[mpf]:
    """Return d(-coefficient * log pi(action))/dlogits by central differences with step 1e-20."""
    if coefficient == 0:
        return [mpf(0)] * len(row)
    step = mpf(10) ** -20
    columns = []
    for j in range(len(row)):
        up, down = ([*row[:j], row[j] + sign * step, *row[j + 1 :]] for sign in (1, -1))
        rise = log_probability(up, action) - log_probability(down, action)
        columns.append(-coefficient * rise / (2 * step))
    return columns


def solve_price(price: dict[str, Any], signal: list[mpf], temperature: mpf) -> mpf:
    """Return the fixed, quantile or calibrated price of the valid signals."""
    if price["kind"] == "fixed":
        return mpf(price["value"])
    rate, n, ordered = Fraction(price["rate"]), len(signal), sorted(signal)
    if price["kind"] == "quantile":
        position = (1 - rate) * (n - 1)
        low = math.floor(position)
        part = position - low
        step = ordered[min(low + 1, n - 1)] - ordered[low]
        return ordered[low] + part.numerator * step / part.denominator

    def surplus(at: mpf) -> mpf:
        # sum of the keep probabilities - n rate, with 1 - w for the decisions above the price:
        # plateaus between far signals, flatter than any precision, keep their slope this way.
        x = [(s - at) / temperature for s in ordered]
        whole = sum(v >= 0 for v in x) - n * rate
        tails = fsum(-mp.sign(v or 1) / (1 + mp.exp(abs(v))) for v in x)
        return mpf(whole.numerator) / whole.denominator + tails

    logit = mp.log(mpf(rate.numerator) / (rate.denominator - rate.numerator))
    low, high = ordered[0] - temperature * logit, ordered[-1] - temperature * logit
    for _ in range(mp.prec):
        middle = (low + high) / 2
        low, high = (middle, high) if surplus(middle) > 0 else (low, middle)
    return (low + high) / 2


def published(exact: dict[str, Any]) -> dict[str, Any]:
    """Round an evaluation to float64, in the layout of the file."""

    def rounded(value: Any) -> Any:
        return [rounded(v) for v in value] if isinstance(value, list) else float(value)

    fields = {name: value for name, value in exact.items() if name != "margin"}
    return {name: None if value is None else rounded(value) for name, value in fields.items()}


def random_case(rng: random.Random, identity: str, **fixed: Any) -> dict[str, Any]:
    """Return a random case whose decisions are clear and which rounding leaves alone.

    What is not `fixed` is left to chance: signal, draw, normalizer, kind (of the price), masked.
    """
    for _ in range(1000):
        spec = random_spec(rng, **{k: v for k, v in fixed.items() if k != "masked"})
        inputs = random_inputs(rng, fixed.get("masked", rng.random() < 0.4))
        case, margin = make_case(identity, "random inputs", spec, inputs)
        if margin >= GUARD and max(amplification(case).values()) <= WELL_POSED:
            return case
    raise RuntimeError(f"no clear case among 1000 with {fixed}")


def random_spec(
    rng: random.Random,
    signal: str | None = None,
    draw: str | None = None,
    normalizer: str | None = None,
    kind: str | None = None,
) -> dict[str, Any]:
    """Return the spec of a case; what is not given is random."""
    spec: dict[str, Any] = {
        "signal": signal or rng.choice(("delight", "delight", "delight", *SIGNALS)),
        "temperature": rng.choice(TEMPERATURES),
        "draw": draw or rng.choice(DRAWS),
        "normalizer": normalizer or rng.choice(NORMALIZERS),
        "price": None,
    }
    if spec["signal"] == "additive":
        spec["alpha"] = rng.choice((0.0, 0.25, 0.3, 0.5, 1.0))
    if spec["draw"] == "top_k":
        spec["rate"] = rng.choice(RATES)
        return spec
    kind = kind or rng.choice(PRICES)
    if kind == "fixed":
        spec["price"] = {"kind": kind, "value": rng.choice((0.0, 0.2, -0.3, 1.0))}
    elif kind == "quantile":
        spec["price"] = {"kind": kind, "rate": rng.choice(RATES)}
    else:
        spec["price"] = {"kind": kind, "rate": rng.choice(RATES[:-1])}
        spec["temperature"] = rng.choice(TEMPERATURES[1:])
    return spec


def random_inputs(rng: random.Random, masked: bool) -> dict[str, Any]:
    """Return the inputs of a case: 1 to 12 decisions among 2 to 8 actions, some rows repeated."""
    n, k = rng.randint(1, 12), rng.randint(2, 8)
    scale, binary = rng.choice((0.1, 1.0, 3.0, 10.0, 40.0)), rng.random() < 0.3
    rows = []
    for _ in range(n):
        gain = rng.choice((-0.25, 0.75)) if binary else rng.gauss(0.0, rng.choice((0.1, 1.0, 3.0)))
        logits = [rng.gauss(0.0, scale) for _ in range(k)]
        rows.append((logits, rng.randrange(k), 0.0 if rng.random() < 0.1 else gain))
        if rng.random() < 0.1:
            rows[-1] = rng.choice(rows)
    inputs: dict[str, Any] = dict(
        zip(("logits", "actions", "advantages"), map(list, zip(*rows, strict=True)), strict=True)
    )
    inputs["uniforms"] = [rng.random() for _ in range(n)]
    if masked:
        inputs["mask"] = [rng.random() < 0.6 for _ in range(n)]
        inputs["mask"][rng.randrange(n)] = True
    return inputs


def make_case(
    identity: str, comment: str, spec: dict[str, Any], inputs: dict[str, Any]
) -> tuple[dict[str, Any], float]:
    """Evaluate a case; return it in the layout of the file, and the margin of its decisions."""
    exact = evaluate(spec, inputs)
    expected = published(exact)
    signals = list(itertools.compress(expected["signal"], inputs.get("mask", itertools.repeat(1))))
    kind = "" if spec["price"] is None else spec["price"]["kind"]
    traits = {
        spec["draw"]: True,
        kind: True,
        "hard": spec["draw"] != "top_k" and spec["temperature"] == 0.0,
        "signal": spec["signal"] != "delight",
        "normalizer": spec["normalizer"] != "decisions",
        "mask": "mask" in inputs,
        "empty": not any(expected["weight"]),
        "single": len(signals) == 1,
        "tie": len(set(signals)) < len(signals),
    }
    flags = [name for name in NOTES if traits.get(name)]
    case = {"id": identity, "comment": comment, "flags": flags, "spec": spec, "inputs": inputs}
    return {**case, "expected": expected}, float(exact["margin"])


def vector_file(cases: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the content of a file of these cases."""
    return {"schema": "kondo-ref/gate-vectors/1", "digits": 80, "notes": NOTES, "cases": cases}


def main(argv: Sequence[str] | None = None) -> int:
    """Write a file of random cases."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("out", type=Path, help="file to write (schema kondo-ref/gate-vectors/1)")
    parser.add_argument("--cases", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    rng = random.Random(args.seed)
    cases = [random_case(rng, f"seed-{args.seed}-{i:04d}") for i in range(args.cases)]
    args.out.write_text(json.dumps(vector_file(cases), indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
