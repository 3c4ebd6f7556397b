"""Claims about prices: the quantile of a batch, leave-one-out, calibrated. Ours.

What the batch-quantile price is beside the fixed price it estimates, what a decision does to the
price that judges it, the rate that is realised, and how many decisions a hard gate keeps.
"""

from kondo_ref.claims import (
    price_bias,
    price_calibrated,
    price_count,
    price_density,
    price_own,
    price_rate,
)

CLAIMS = (
    *price_bias.CLAIMS,
    *price_density.CLAIMS,
    *price_own.CLAIMS,
    *price_rate.CLAIMS,
    *price_calibrated.CLAIMS,
    *price_count.CLAIMS,
)
