"""From `--jobs` and `--on` to a pool of workers."""

import os

from stepdown.errors import UnknownName, UsageError
from stepdown.workers.pool import SerialPool, WorkerPool
from stepdown.workers.processes import ProcessPool
from stepdown.workers.ray_pool import RayPool

RAY = "ray"
MOST_JOBS = 1_024  # more processes than that only fill a machine's memory


def check_place(on: str) -> None:
    """Raise `UnknownName` for a place to work on that is none; "" is this machine."""
    if on not in ("", RAY):
        error = UnknownName("place to work on", on, [RAY])
        error.option = "--on"
        raise error


def open_workers(jobs: int = 1, on: str = "", *, whole: bool = False) -> WorkerPool:
    """Return workers for a `with`: this thread for one job, else `jobs` processes of this machine.

    `on="ray"` takes all cores of the cluster instead, or `jobs` of them at most where it is over 1. A worker has one
    thread; `whole` gives each what a training wants: here its share of the cores, on a cluster a node's cores, or a
    graphics card and its share of them. Processes start when they are first needed, a cluster is joined now. Raises
    `UsageError` for `jobs` under 1 or over `MOST_JOBS`, `UnknownName`, `MissingExtra` without ray, and
    `EndpointRefused` where no cluster answers.
    """
    if jobs < 1:
        raise UsageError(f"`{jobs}` jobs would do nothing", "give 1 or more", option="--jobs")
    if jobs > MOST_JOBS:
        raise UsageError(f"`{jobs}` jobs are too many", f"give {MOST_JOBS:,} at most", option="--jobs")
    check_place(on)
    if on == RAY:
        return RayPool(most=0 if jobs == 1 else jobs, whole=whole)
    if jobs == 1:
        return SerialPool()
    return ProcessPool(jobs, threads=max(1, (os.cpu_count() or 1) // jobs) if whole else 1)
