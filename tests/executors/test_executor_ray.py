"""A real ray cluster on this machine, of two CPUs."""

import os
from collections.abc import Iterator
from pathlib import Path

import executor_checks as checks
import executor_work as work
import pytest

from kondo_ref.executors import ray_cluster
from kondo_ref.workers import Where

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # nothing is sent to anybody
ray = pytest.importorskip("ray", reason="ray is not installed")
pytest.importorskip("joblib", reason="joblib is not installed")

# JAX, where a test of this process has used it, warns of every fork; ray's is followed by exec.
pytestmark = pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patched:
        # Workers find the units of these tests, and would have two threads for BLAS.
        patched.setenv("PYTHONPATH", str(Path(work.__file__).parent))
        for variable in work.THREADS:
            patched.setenv(variable, "2")
        head = {"num_cpus": 2, "object_store_memory": 80 * 2**20, "include_dashboard": False}
        started = Cluster(initialize_head=True, head_node_args=head)
    yield started.address
    started.shutdown()


@pytest.fixture(scope="module")
def runner(cluster: str) -> Iterator[checks.Runner]:
    """Connect once: a connection is a new set of processes."""
    ray.init(cluster, log_to_driver=False)
    yield checks.at(Where("ray", cluster))
    ray.shutdown()


def test_units_run(runner: checks.Runner, tmp_path: Path) -> None:
    checks.check_cluster(runner, tmp_path)


def test_a_killed_worker_loses_its_unit_alone(runner: checks.Runner, tmp_path: Path) -> None:
    checks.check_killed_once(runner, tmp_path, said=[])


def test_a_unit_that_kills_its_workers_is_given_up(
    runner: checks.Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_cluster, "RETRIES", 0)  # else each of both tries is four deaths
    checks.check_killed_always(runner, tmp_path)


def test_who_was_connected_stays_connected(runner: checks.Runner, tmp_path: Path) -> None:
    checks.run(runner, tmp_path, work.plain, "only")
    assert ray.is_initialized()
    ray.shutdown()


def test_a_second_start(cluster: str, whole: Path, tmp_path: Path) -> None:
    checks.check_second_start(whole, tmp_path, "--executor", "ray", "--cluster", cluster)
    assert not ray.is_initialized()


def test_an_interrupt(cluster: str, tmp_path: Path) -> None:
    checks.check_interrupt("ray", tmp_path, cluster, ends=True)
