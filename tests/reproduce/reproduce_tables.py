"""Small tables whose statistics are known by hand or by another route."""

import numpy as np

from kondo_ref.checks import FloatArray
from kondo_ref.reproduce.tidy import Series, Table

X = np.array([1.0, 10.0, 100.0, 1000.0])
A = np.array([[0.9, 0.5, 0.2, 0.02], [0.7, 0.65, 0.1, 0.04], [0.8, 0.4, 0.36, 0.03]])
B = np.array([[0.9, 0.8, 0.5, 0.2], [0.9, 0.7, 0.6, 0.1], [0.9, 0.6, 0.7, 0.3]])
COST = np.array([[2.0, 20.0, 200.0, 2000.0], [3.0, 30.0, 300.0, 3000.0], [4.0, 40.0, 400.0, 4e3]])
SEEDS = (0, 1, 2)


def table(a: FloatArray = A, b: FloatArray = B) -> Table:
    return {
        ("a", "error"): Series(SEEDS, X, a),
        ("b", "error"): Series(SEEDS, X, b),
        ("a", "cost"): Series(SEEDS, X, COST),
        ("b", "cost"): Series(SEEDS, X, 10.0 * COST),
    }
