"""One function over many items: here, in processes of this machine, or on a cluster."""

from stepdown.workers.opening import open_workers
from stepdown.workers.pool import SerialPool, WorkerLost, WorkerPool
from stepdown.workers.processes import ProcessPool

__all__ = ["ProcessPool", "SerialPool", "WorkerLost", "WorkerPool", "open_workers"]
