"""One function over many items: here, in processes of this machine, or on a cluster."""

from stepdown.errors import WorkerLost
from stepdown.workers.child import HEAD, read_frame
from stepdown.workers.opening import MOST_JOBS, RAY, check_place, open_workers
from stepdown.workers.outcomes import WorkError, result_of, work_error
from stepdown.workers.pool import TRIES, SerialPool, WorkerPool
from stepdown.workers.processes import ProcessPool
from stepdown.workers.ray_cluster import (
    ADDRESS,
    ClusterNode,
    Versions,
    connect,
    difference,
    nodes,
    other_versions,
    versions,
)
from stepdown.workers.ray_pool import RayPool

__all__ = [
    "ADDRESS",
    "HEAD",
    "MOST_JOBS",
    "RAY",
    "TRIES",
    "ClusterNode",
    "ProcessPool",
    "RayPool",
    "SerialPool",
    "Versions",
    "WorkError",
    "WorkerLost",
    "WorkerPool",
    "check_place",
    "connect",
    "difference",
    "nodes",
    "open_workers",
    "other_versions",
    "read_frame",
    "result_of",
    "versions",
    "work_error",
]
