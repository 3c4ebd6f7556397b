"""The records of registered claims with their published numbers, each evaluated once a run."""

from functools import cache

from kondo_ref.claims import pages, register

CLAIMS = register.all_claims()


@cache
def record(name):
    return pages.record_of(name)
