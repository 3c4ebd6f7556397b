"""The exact engine: expectations and covariances of gated updates without sampling.

given a batch -> over the gate's draws -> over the actions and rewards of a bandit -> drift of a
policy and its fixed points. Sums are enumerated where they are finite, closed where a closed form
exists, and integrated by quadrature where a reward is Gaussian. Nothing here draws a number.
"""
