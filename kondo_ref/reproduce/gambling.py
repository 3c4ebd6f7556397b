"""Two arms, the worse one noisy: how much probability is left to it ([K], Prop. 3).

The paper's own figure is not known to us. What stands beside our runs is the stable point of the
proposition's drift, which is derived, not published.
"""

from kondo_ref.reproduce.statistics import At
from kondo_ref.reproduce.study import Comparison, Panel, Part, Read, Study

METHODS = ("pg", "dg", "zero-price", "kondo-top-k")
NOISES = (0.5, 0.75, 1.0, 2.0, 5.0)
X = "noise over gap"
READS = (
    Read("mean_pi_2", "probability of the worse arm", "listed", "mean_pi_2", "sigma", X),
    Read("kept_share", "kept share", "listed", "kept_share", "sigma", X),
)

STUDY = Study(
    name="gambling",
    summary="two arms, noise on the worse: what each gate leaves to it in the long run",
    source="[K] Prop. 3; the study's own figure is not known to us",
    parts=(Part("worse", "gambling", {"methods": METHODS, "seeds": 5, "sigma": NOISES}),),
    reads=READS,
    comparisons=tuple(
        Comparison(At(method, "mean_pi_2", noise)) for method in METHODS for noise in NOISES
    ),
    panels=(
        Panel("mean_pi_2", "what is left to the worse arm", "log", "log"),
        Panel("kept_share", "what is kept", "log", "log"),
    ),
    quick={"steps": 100, "seeds": 2, "draws": 100},
)
