"""Conformance of backends: one list of checks with ids, run against the reference.

`check_backend` runs them all; the command line and the tests of the project only call it.
"""

from kondo_ref.conformance.suite import check_backend

__all__ = ["check_backend"]
