"""What a task would take, said before anything is sent: calls, tokens, bytes, seconds and money, with bounds.

Calls come from a dry run, tokens and latencies from the store's calls of the same model where it has some, and wall
time from a simulation. Every number that is not known stands among the `constants`, measured or assumed.
"""

from collections.abc import Iterator, Sequence
from itertools import islice

import msgspec

from stepdown.graders import judge_of
from stepdown.models import Capacity, capacity_of
from stepdown.runner.call_profiles import LEAST_MEASURED, CallProfile, Constant, Estimated, mean_of, profile_of
from stepdown.runner.planned_calls import (
    FEW_PARTS,
    MANY_PARTS,
    MOST_DRAWS,
    PARTS,
    DryCalls,
    PlannedProblem,
    PlannedRequest,
    plan_problem,
)
from stepdown.runner.sizes import corpus_bytes, store_bytes
from stepdown.runner.task import Task
from stepdown.runner.wall_time import DRIVER, LOADING, SIMULATION, START, Workload, wall_time, workload_of
from stepdown.store import Store
from stepdown.types import Model, Pricing, Problem, Role, Usage

# Prompts that hold earlier replies, against those with replies of usual length.
HELD = Constant("length of prompts that hold earlier replies", 1.0, 0.8, 1.2)
_PROBED = 20
LEFT_OUT = (
    "429 and other faults, and the calls that are asked again for them",
    "latency that grows with the load: it is taken from calls at whatever load those had",
)


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """Calls a task would make, those the store answers already, the tokens of the rest by role, and US dollars.

    `cost` takes replies of typical length, `most` replies as long as `max_tokens` allows; None where a price is
    unknown. The length of a plan that is not written yet is typical too. `asked` are the calls to be sent, in so many
    `requests`; `seconds` is wall time, `width` how many requests are in flight, over all `servers`. `corpus` bytes are
    None where the task writes none. `left_out` says what the model does not know, `workload` is what the wall time is
    simulated of.
    """

    calls: int
    cached: int
    tokens: dict[Role, Usage]
    cost: float | None
    most: float | None
    asked: Estimated
    requests: int
    all_tokens: Estimated
    dollars: Estimated | None
    seconds: Estimated
    store: Estimated
    corpus: Estimated | None
    width: int
    servers: int
    constants: tuple[Constant, ...]
    left_out: tuple[str, ...]
    workload: Workload


class _Totals:
    """Sums over problems: requests by profile with their tokens and dollars for the lower bound, the value, the upper.

    The prompt of a request for several draws counts once, for the upper bound of a guess and for `most` with each draw.
    """

    def __init__(self, profiles: Sequence[CallProfile], pricing: Pricing) -> None:
        self.profiles, self.pricing = profiles, pricing
        self.usage = [[[0.0, 0.0] for _ in range(3)] for _ in profiles]
        self.dollars: list[float | None] = [0.0, 0.0, 0.0, 0.0]

    def add(self, one: PlannedRequest) -> None:
        """Add a request."""
        profile = self.profiles[one.profile]
        reads = (1, 1, one.draws if profile.guess else 1) if profile.several else (one.draws,) * 3
        ratios = (profile.per_token.high, profile.per_token.value, profile.per_token.low)
        lengths = (profile.output.low, profile.output.value, profile.output.high)
        usages = [
            (one.characters / ratio * times * (held if one.holds_replies else 1), min(length, one.limit) * one.draws)
            for times, ratio, length, held in zip(reads, ratios, lengths, (HELD.low, 1.0, HELD.high), strict=True)
        ]
        for sums, (read, written) in zip(self.usage[one.profile], usages, strict=True):
            sums[0] += read
            sums[1] += written
        most = (one.characters / profile.per_token.value * one.draws, float(one.limit * one.draws))
        for index, (read, written) in enumerate([*usages, most]):
            self.dollars[index] = self._added(self.dollars[index], profile.model, read, written, one.draws)

    def bounds(self, scale: float) -> tuple[Estimated | None, float | None]:
        """Return the dollars with their bounds, and the most they can be; None where a price is unknown."""
        low, value, high, most = self.dollars
        known = None if low is None or value is None or high is None else Estimated(low, value, high).times(scale)
        return known, None if most is None else most * scale

    def _added(self, before: float | None, model: str, read: float, written: float, draws: int) -> float | None:
        # A price may depend on the length of one call, so calls are priced one by one.
        price = self.pricing.cost(model, Usage(round(read / draws), round(written / draws)))
        return None if before is None or price is None else before + price * draws


async def estimate(task: Task, store: Store, pricing: Pricing, *, of: int | None = None) -> Estimate:
    """Read the problems once and say what their calls would take; nothing is sent or written.

    With `of` they are a sample of so many, and it is those that are estimated.
    """
    count = task.settings().count
    models = _callers(task)
    profiles = {who: profile_of(task, store, who[0], model) for who, model in models.items()}
    every = list(profiles.values())
    dry, totals = DryCalls(store, profiles), _Totals(every, pricing)
    step = max(1, -(-count * task.samples // MOST_DRAWS))
    problems: list[PlannedProblem] = []
    total = 0
    for problem in filter(task.takes, task.problems):
        total += 1
        if (total - 1) % step:
            continue
        planned = await plan_problem(task, dry, problem)
        if planned is not None:
            problems.append(planned)
            for request in planned.requests:
                totals.add(request)
    scale = (of or total) / -(-total // step) if total else 1.0
    parts = await _parts(task, profiles, problems)
    return _estimate(task, models, every, problems, totals, scale=scale, parts=parts)


def _callers(task: Task) -> dict[tuple[Role, str], Model]:
    """Return who is asked in which role."""
    found: dict[tuple[Role, str], Model] = {}
    if task.planner is not None:
        found["teacher", task.planner.name] = task.planner
    found[task.role, task.student.name] = task.student
    return found


async def _parts(
    task: Task, profiles: dict[tuple[Role, str], CallProfile], problems: Sequence[PlannedProblem]
) -> tuple[Estimated, int]:
    """Return the factor on calls of a method that goes on by the parts of a reply, and the problems that say it.

    It is 1 for any other method.
    """
    alone = msgspec.structs.replace(task, samples=1, plan_samples=1)
    some: list[Problem] = list(islice(task.problems, _PROBED))
    counts = []
    for parts in (FEW_PARTS, PARTS, MANY_PARTS):
        dry = DryCalls(None, profiles, parts=parts)
        planned = [await plan_problem(alone, dry, problem) for problem in some]
        counts.append(sum(one.calls for one in planned if one))
    low, usual, high = counts
    if not 0 < low <= usual <= high or low == high:
        return Estimated(1.0, 1.0, 1.0), 0
    done = [one.calls / task.samples for one in problems if one.cached == one.calls]
    if len(done) < LEAST_MEASURED:
        return Estimated(low / usual, 1.0, high / usual), 0
    mean, error = mean_of(done)
    return Estimated(mean - error, mean, mean + error).times(len(some) / usual), len(done)


def _estimate(
    task: Task,
    models: dict[tuple[Role, str], Model],
    profiles: Sequence[CallProfile],
    problems: Sequence[PlannedProblem],
    totals: _Totals,
    *,
    scale: float,
    parts: tuple[Estimated, int],
) -> Estimate:
    calls, cached = (sum(getattr(one, name) for one in problems) for name in ("calls", "cached"))
    requests = [request for one in problems for request in one.requests]
    factor, asked = parts[0], calls - cached
    sums = [[sum(usage[bound]) * scale for usage in totals.usage] for bound in range(3)]
    tokens = Estimated(*(sum(some) for some in sums))
    dollars, most = totals.bounds(scale)
    paid = _by_parts(dollars, factor) if dollars else None
    capacities = {model.name: capacity_of(model) for model in models.values()}
    workload = workload_of(profiles, problems, capacities, scale=scale, parts=factor)
    return Estimate(
        calls=round((cached + asked * factor.value) * scale),
        cached=round(cached * scale),
        tokens=_by_role(profiles, totals, scale),
        cost=paid.value if paid else None,
        most=None if most is None else most * factor.high,
        asked=_by_parts(Estimated(asked, asked, asked).times(scale), factor),
        requests=round(len(requests) * scale * factor.value),
        all_tokens=_by_parts(tokens, factor),
        dollars=paid,
        seconds=wall_time([workload]),
        store=_by_parts(store_bytes(task, profiles, problems).times(scale), factor),
        corpus=corpus_bytes(profiles, task, problems).times(scale) if task.role == "teacher" else None,
        width=sum(one.width * one.servers for one in capacities.values()),
        servers=sum(one.servers for one in capacities.values()),
        constants=tuple(_constants(task, profiles, capacities, parts, held=any(one.holds_replies for one in requests))),
        left_out=_left_out(task, scale),
        workload=workload,
    )


def time_together(estimates: Sequence[Estimate]) -> Estimated:
    """Return the wall time of all of them at once; a call that several would make is in it as often."""
    return wall_time([one.workload for one in estimates])


def _by_role(profiles: Sequence[CallProfile], totals: _Totals, scale: float) -> dict[Role, Usage]:
    found: dict[Role, Usage] = {}
    for profile, usage in zip(profiles, totals.usage, strict=True):
        read, written = (round(one * scale) for one in usage[1])
        before = found.get(profile.role, Usage())
        if read or written:
            found[profile.role] = Usage(before.input + read, before.output + written)
    return found


def _by_parts(found: Estimated, parts: Estimated) -> Estimated:
    return Estimated(found.low * parts.low, found.value * parts.value, found.high * parts.high)


def _left_out(task: Task, scale: float) -> tuple[str, ...]:
    judged = ("the calls of the judge",) if judge_of(task.grader.name) else ()
    reviewed = ("the time that people take to review plans",) if task.review is not None else ()
    between = (f"what sets the problems apart of which one in {scale:.0f} was looked at",) if scale > 1 else ()
    return (*LEFT_OUT, *judged, *reviewed, *between)


def _constants(
    task: Task,
    profiles: Sequence[CallProfile],
    capacities: dict[str, Capacity],
    parts: tuple[Estimated, int],
    *,
    held: bool,
) -> Iterator[Constant]:
    """Stream all that an estimate rests on."""
    for profile in profiles:
        yield from profile.constants
        if profile.guess and task.samples > 1:
            yield Constant(
                f"draws of a prompt in one request of `{profile.model}`: all, or at worst one", 1.0, 0.0, 1.0
            )
    for name, one in capacities.items():
        widest = float(one.widest * one.servers)
        note = "found by trying" if one.widest > one.width else ""
        yield Constant(f"width of `{name}`", float(one.width * one.servers), float(one.width), widest, "calls", 0, note)
        if one.loads:
            yield LOADING
    factor, measured = parts
    if factor.low < factor.high:
        name = "calls of a method that goes on by what a reply says, against a reply of three parts"
        yield Constant(name, factor.value, factor.low, factor.high, "", measured)
    if held:
        yield HELD
    yield from (DRIVER, START, SIMULATION)
