"""How much of a token gate's logical saving survives: trained gates beside a random one.

    python docs/results/token_reversal/survival.py

Trains token reversal with the Kondo gate in both units, for some horizons and rates, and writes
survival.csv and survival.png beside this file: of the backward FLOP (matmul, 2mkn) of one with
everything kept, the logical share (what was kept), the structural and the executed share, and the
expected shares of a gate that keeps every token with one chance. Needs the extras plots and numba.
"""

import argparse
import csv
import sys
from itertools import product
from pathlib import Path
from typing import Any

from kondo_ref.flops.decoder import Decoder
from kondo_ref.flops.decoder_kept import all_kept, expected_kept
from kondo_ref.flops.decoder_step import stage_numbers
from kondo_ref.tasks.token_reversal.settings import Settings
from kondo_ref.tasks.token_reversal.train import train

HERE = Path(__file__).parent
HORIZONS = (5, 10, 20)
RATES = (0.01, 0.03, 0.1, 0.3)
METHODS = ("kondo-top-k", "kondo-top-k-token")
STEPS = 300


def random_share(settings: Settings, rate: float, attention: str) -> float:
    """Return the backward FLOP that a random token gate leaves in expectation, over dense."""
    decoder, h = Decoder.of(settings.model()), settings.length

    def flop(kept: Any) -> float:
        numbers = stage_numbers(decoder, kept, lambda counts: counts.matmul, attention=attention)
        return float(numbers["backward_input"] + numbers["backward_weight"])

    some = expected_kept(settings.batch, 2 * h, rate, prompt=h)
    return flop(some) / flop(all_kept(settings.batch, 2 * h, h))


def measure(horizon: int, rate: float, method: str, backend: str, steps: int) -> dict[str, Any]:
    """Return the shares of one training run, seed 0."""
    settings = Settings(methods=(method,), length=horizon, rate=rate, steps=steps)
    result = train(settings.to_dict(), {}, backend, method, 0, lambda _: None)
    totals = result["totals"]
    sequences = totals["backward_sequences"] / totals["forward_sequences"]
    return {
        "unit": "token" if method.endswith("token") else "sequence",
        "horizon": horizon,
        "rate": rate,
        "steps": steps,
        "touched_sequences": sequences,
        "logical": totals["logical_share"],
        "structural": totals["structural_share"],
        "executed": totals["flop_share"],
        "random_touched": 1 - (1 - rate) ** horizon,
        "random_structural": random_share(settings, rate, "causal"),
        "random_executed": random_share(settings, rate, "dense"),
        "error": result["curve"][-1]["error"],
    }


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw the executed against the logical share, one panel a horizon."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    canvas = Figure(figsize=(12, 4.2), layout="constrained")
    FigureCanvasAgg(canvas)
    horizons = sorted({row["horizon"] for row in rows})
    axes = canvas.subplots(1, len(horizons), sharey=True)
    for axis, horizon in zip(axes, horizons, strict=True):
        own = [row for row in rows if row["horizon"] == horizon]
        tokens = [row for row in own if row["unit"] == "token"]
        rates = [row["rate"] for row in tokens]
        axis.plot(rates, rates, ":", color="grey", label="logical: what was kept")
        whole = [row for row in own if row["unit"] == "sequence"]
        axis.plot(
            [row["logical"] for row in whole],
            [row["executed"] for row in whole],
            "s-",
            label="sequences, trained gate",
        )
        axis.plot(rates, [row["executed"] for row in tokens], "o-", label="tokens, trained gate")
        axis.plot(
            rates,
            [row["random_executed"] for row in tokens],
            "--",
            color="C1",
            label="tokens, random gate (closed form)",
        )
        axis.set(xscale="log", yscale="log", xlabel="rate", title=f"H = {horizon}")
        axis.grid(visible=True, which="both", alpha=0.2)
    axes[0].set(ylabel="backward FLOP (matmul, 2mkn) / dense")
    axes[-1].legend(loc="lower right", fontsize="small")
    canvas.savefig(path, dpi=110)


def main() -> int:
    """Train, write and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", default="numba")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--out", type=Path, default=HERE)
    args = parser.parse_args()
    rows = []
    for horizon, rate, method in product(HORIZONS, RATES, METHODS):
        rows.append(measure(horizon, rate, method, args.backend, args.steps))
        sys.stderr.write(f"H = {horizon}, rate {rate}, {rows[-1]['unit']}\n")
    with (args.out / "survival.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    draw(rows, args.out / "survival.png")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
