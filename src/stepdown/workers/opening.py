"""From `--jobs` and `--on` to a pool of workers."""

from stepdown.errors import MissingExtra, UnknownName, UsageError
from stepdown.workers.pool import SerialPool, WorkerPool
from stepdown.workers.processes import ProcessPool

PLACES = ("ray",)


def open_workers(jobs: int = 1, on: str = "", *, threads: int = 1) -> WorkerPool:
    """Return workers for a `with`: this thread for one job, else `jobs` processes, each of `threads` threads.

    `on="ray"` takes the cluster's cores instead, and `jobs` of them at most where it is over 1. Processes start when
    they are first needed. Raises `UsageError` for `jobs` under 1, `UnknownName`, and `MissingExtra` without ray.
    """
    if jobs < 1:
        raise UsageError(f"`{jobs}` jobs would do nothing", "give 1 or more", option="--jobs")
    if on and on not in PLACES:
        raise UnknownName("place to work on", on, PLACES)
    if on:
        raise MissingExtra("ray", "ray", "working on a cluster")
    return SerialPool() if jobs == 1 else ProcessPool(jobs, threads=threads)
