"""One thread for the linear algebra, and the Hypothesis profiles: dev, ci, nightly.

HYPOTHESIS_PROFILE chooses the profile; without it, ci where CI is set, else dev.
"""

import os

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")  # read when numpy is first imported

from hypothesis import HealthCheck, settings  # noqa: E402

# A machine that is shared can be slow at any moment: neither a deadline nor the speed of drawing
# says anything about the code.
PATIENT = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}

settings.register_profile("dev", max_examples=20, **PATIENT)
settings.register_profile("ci", max_examples=100, derandomize=True, **PATIENT)
settings.register_profile("nightly", max_examples=2000, **PATIENT)
settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev")
)
