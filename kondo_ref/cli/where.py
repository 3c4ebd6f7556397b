"""The options that say where a sweep is run, the same for every command that runs units."""

import argparse
from typing import TYPE_CHECKING

from kondo_ref.executors import EXECUTORS

if TYPE_CHECKING:
    from kondo_ref.workers import Where


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options.

    Parameters
    ----------
    parser : ArgumentParser
    """
    parser.add_argument(
        "--workers",
        type=int,
        default=None,
        help="units at a time (default: the cores there are, or all of a cluster)",
    )
    parser.add_argument(
        "--executor",
        default="local",
        metavar="NAME",
        help=f"{', '.join(EXECUTORS)}: processes of this machine, plain or of joblib, or a cluster "
        'that is running (default: local; others need "kondo-ref[cluster]")',
    )
    parser.add_argument(
        "--cluster",
        default=None,
        metavar="ADDRESS",
        help="of dask's scheduler, tcp://HOST:PORT, or of ray, HOST:PORT (default: "
        "DASK_SCHEDULER_ADDRESS; RAY_ADDRESS, or the ray cluster of this machine)",
    )


def of(args: argparse.Namespace) -> "Where":
    """Return what the options say.

    Raises
    ------
    ValueError
        See `kondo_ref.workers.Where`.
    """
    from kondo_ref.workers import Where

    return Where(executor=args.executor, cluster=args.cluster, workers=args.workers)
