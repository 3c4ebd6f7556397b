"""Where units of work are run: processes of this machine, or a cluster that is there already.

``local`` needs nothing but Python. The others go through joblib, and are imported when they are
asked for: ``joblib`` is its own processes, ``dask`` and ``ray`` the workers of a cluster.
"""

EXECUTORS = ("local", "joblib", "dask", "ray")

BLAS_THREAD_VARIABLES = (
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
