"""The wall time of runs at once, simulated from what each of them would ask, for the value and both its bounds."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from stepdown.models import Capacity
from stepdown.runner.call_profiles import CallProfile, Constant, Estimated
from stepdown.runner.planned_calls import PlannedProblem, shapes_of
from stepdown.runner.simulation import ProblemShape, SimulatedCaller, simulate

# Seconds that the driving process works on one reply: storing, grading, the next request; on one core of 2026.
DRIVER = Constant("work of the driver on a reply", 0.0005, 0.0003, 0.004, "seconds")
START = Constant("start of the command", 1.0, 0.0, 5.0, "seconds")
LOADING = Constant("loading of weights", 30.0, 2.0, 120.0, "seconds")
# What the simulation leaves out, such as the turns of an event loop, as a share of the time.
SIMULATION = Constant("real against simulated time", 1.0, 0.9, 1.2)
_SEEDS = range(3)

Bound = Literal["low", "value", "high"]
_BOUNDS: tuple[Bound, ...] = ("low", "value", "high")


class Workload(msgspec.Struct, frozen=True):
    """What one run would ask: for each bound its callers and how many problems there are of each shape.

    `loading` are the seconds until its weights are loaded.
    """

    callers: dict[Bound, list[SimulatedCaller]]
    shapes: dict[Bound, dict[ProblemShape, int]]
    loading: Estimated


def workload_of(
    profiles: Sequence[CallProfile],
    problems: Sequence[PlannedProblem],
    capacities: Mapping[str, Capacity],
    *,
    scale: float,
    parts: Estimated,
) -> Workload:
    """Return the workload of planned problems: each stands for `scale` ones and makes `parts` times its calls."""
    loads = any(one.loads for one in capacities.values())
    callers, shapes = {}, {}
    for bound in _BOUNDS:
        callers[bound] = [_caller(one, capacities[one.model], bound) for one in profiles]
        several = [one.several and not (one.guess and bound == "high") for one in profiles]
        factor = scale * getattr(parts, bound)
        shapes[bound] = {shape: max(1, round(count * factor)) for shape, count in shapes_of(problems, several).items()}
    return Workload(callers, shapes, Estimated(LOADING.low, LOADING.value, LOADING.high).times(float(loads)))


def _caller(profile: CallProfile, capacity: Capacity, bound: Bound) -> SimulatedCaller:
    # At worst an endpoint whose width is found by trying never bears more than it begins with.
    widest = capacity.width if bound == "high" else capacity.widest
    latency = profile.latency(getattr(profile.scales, bound))
    return SimulatedCaller(profile.model, latency, capacity.width, widest, capacity.servers)


def wall_time(workloads: Sequence[Workload]) -> Estimated:
    """Return the seconds that these take at once, of which those that ask one model share its turns."""
    start = Estimated(START.low, START.value, START.high)
    asking = [one for one in workloads if any(any(shape) for shape in one.shapes["value"])]
    if not asking:
        return start
    low, value, high = (list(_simulated(asking, bound)) for bound in _BOUNDS)
    loading = [max(getattr(one.loading, bound) for one in asking) for bound in _BOUNDS]
    return Estimated(
        min(low) * SIMULATION.low + start.low + loading[0],
        sorted(value)[1] * SIMULATION.value + start.value + loading[1],
        max(high) * SIMULATION.high + start.high + loading[2],
    )


def _simulated(workloads: Sequence[Workload], bound: Bound) -> Iterator[float]:
    """Stream the seconds of a simulation for each seed."""
    callers: list[SimulatedCaller] = []
    shapes = Counter[ProblemShape]()
    for one in workloads:
        for shape, count in one.shapes[bound].items():
            shapes[tuple(tuple((len(callers) + caller, n) for caller, n in stage) for stage in shape)] += count
        callers += one.callers[bound]
    driver = getattr(DRIVER, bound)
    for seed in _SEEDS:
        yield simulate(shapes, callers, driver=driver, seed=seed).seconds
