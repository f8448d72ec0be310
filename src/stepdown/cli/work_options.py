"""The options that say who does the work."""

from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from stepdown.cli.options import WORK
from stepdown.workers import MOST_JOBS, WorkerPool, open_workers

Jobs = Annotated[int, Parameter(name=["--jobs", "-j"], validator=Number(gte=1, lte=MOST_JOBS), group=WORK)]
On = Annotated[Literal["ray"] | None, Parameter(name="--on", group=WORK)]


@Parameter(name="*", group=WORK)
@dataclass(frozen=True, kw_only=True)
class WorkOptions:
    """Who does the work.

    Parameters
    ----------
    jobs
        Work in this many processes; with `--on ray`, on at most so many parts at once, or on all cores where not given.
    on
        Work on all nodes of a Ray cluster (docs/ray.md).
    """

    jobs: Jobs = 1
    on: On = None

    @property
    def parallel(self) -> bool:
        """Whether anybody but this process works."""
        return self.jobs > 1 or self.on is not None

    def open(self, *, whole: bool = False) -> WorkerPool:
        """Return the workers for a `with`, each with a share of a machine where `whole`; raises as `open_workers`."""
        return open_workers(self.jobs, self.on or "", whole=whole)
