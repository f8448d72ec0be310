"""A simulated run: as many workers, turns and replies as a real one has, and a clock that jumps from event to event.

Each problem is a row of stages; the requests of a stage are made together, and the next stage begins when the last of
them is answered. A request waits for a turn at the server that has the fewest in flight, takes a time that is drawn,
and is then worked on by the one process that drives all of them.
"""

import random
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from heapq import heappop, heappush

import msgspec

from stepdown.models.http import AdaptiveConcurrency

# The requests of one stage: (which caller, draws).
Stage = tuple[tuple[int, int], ...]
ProblemShape = tuple[Stage, ...]
# The seconds that a request for so many draws takes.
Latency = Callable[[random.Random, int], float]


class SimulatedCaller(msgspec.Struct, frozen=True):
    """A model in one role: `servers` that take `width` calls each, which climbs to `widest` as a run's does.

    Callers of one `model` share its turns.
    """

    model: str
    latency: Latency
    width: int
    widest: int
    servers: int = 1


class SimulatedRun(msgspec.Struct, frozen=True):
    """What came of it: seconds until the last reply was stored, and requests answered per second in between."""

    seconds: float
    requests: int
    rate: float


class _Server:
    def __init__(self, width: int, widest: int) -> None:
        self.width, self.widest, self.busy = width, widest, 0
        self.adaptive = AdaptiveConcurrency(width) if widest > width else None

    def answered(self, clock: Callable[[], float]) -> None:
        self.busy -= 1
        if self.adaptive:
            self.width = min(self.widest, self.adaptive.count(self.width, clock))


class _Problem:
    def __init__(self, shape: ProblemShape) -> None:
        self.stages, self.waiting = iter(shape), 0


class _Simulation:
    def __init__(
        self, todo: Iterator[ProblemShape], callers: Sequence[SimulatedCaller], driver: float, seed: int
    ) -> None:
        self.todo, self.callers, self.driver = todo, callers, driver
        self.random = random.Random(seed)
        self.servers = {one.model: [_Server(one.width, one.widest) for _ in range(one.servers)] for one in callers}
        self.queues: dict[str, deque[tuple[_Problem, int, int]]] = {one.model: deque() for one in callers}
        # An event: when, its number, whether it is stored, and whose answer it is.
        self.events: list[tuple[float, int, bool, _Problem, str, _Server, int]] = []
        self.now = self.free = 0.0
        self.active = self.count = 0
        self.times: list[float] = []

    def run(self) -> SimulatedRun:
        self._begin()
        while self.events:
            self.now, _, stored, problem, model, server, draws = heappop(self.events)
            if not stored:
                # One process drives everything: it reads, grades and stores one answer after the other.
                self.free = max(self.free, self.now) + self.driver * draws
                self._push(self.free, True, problem, model, server, draws)
                continue
            self.times.append(self.now)
            server.answered(lambda: self.now)
            self._next_turn(model)
            problem.waiting -= 1
            if problem.waiting == 0:
                self._go_on(problem)
        return SimulatedRun(self.now, len(self.times), _middle_rate(self.times))

    def _workers(self) -> int:
        """Return how many problems are under way at once: twice what the models take, as in a run."""
        return 2 * sum(server.width for some in self.servers.values() for server in some)

    def _begin(self) -> None:
        while self.active < self._workers() and (shape := next(self.todo, None)) is not None:
            self.active += 1
            self._go_on(_Problem(shape))

    def _go_on(self, problem: _Problem) -> None:
        stage = next(problem.stages, None)
        if stage is None:
            self.active -= 1
            self._begin()
            return
        problem.waiting = len(stage)
        for caller, draws in stage:
            self.queues[self.callers[caller].model].append((problem, caller, draws))
        for model in {self.callers[caller].model: None for caller, _ in stage}:
            self._next_turn(model)

    def _next_turn(self, model: str) -> None:
        queue, servers = self.queues[model], self.servers[model]
        while queue:
            server = servers[0] if len(servers) == 1 else min(servers, key=lambda one: one.busy / one.width)
            if server.busy >= server.width:
                return
            problem, caller, draws = queue.popleft()
            server.busy += 1
            if server.adaptive:
                server.adaptive.note(server.busy, lambda: self.now)
            taken = self.callers[caller].latency(self.random, draws)
            self._push(self.now + taken, False, problem, model, server, draws)

    def _push(self, at: float, stored: bool, problem: _Problem, model: str, server: _Server, draws: int) -> None:
        self.count += 1
        heappush(self.events, (at, self.count, stored, problem, model, server, draws))


def _middle_rate(times: Sequence[float]) -> float:
    """Return the answers per second between the third and the last tenth, 0.0 where they are too few to say."""
    first, last = (times[int(len(times) * share)] for share in (0.3, 0.9))
    # Answers may come in bursts: what came at the first moment had been waited for before it.
    return (bisect_right(times, last) - bisect_right(times, first)) / (last - first) if last > first else 0.0


def simulate(
    shapes: Mapping[ProblemShape, int],
    callers: Sequence[SimulatedCaller],
    *,
    driver: float = 0.0,
    seed: int = 0,
    most: int = 4_000,
) -> SimulatedRun:
    """Return how long problems of these shapes take, in an order that is drawn; `shapes` says how many of each.

    `driver` are the seconds that the driving process works on one reply. Of more than `most` requests (or twenty times
    the widest models, if that is more) as many are simulated, and the others take the rate that was reached.
    """
    shapes = {shape: count for shape, count in shapes.items() if any(shape) and count}
    problems = sum(shapes.values())
    total = sum(count * sum(map(len, shape)) for shape, count in shapes.items())
    if not total:
        return SimulatedRun(0.0, 0, 0.0)
    bound = max(most, 20 * sum(one.servers * one.widest for one in callers))
    share = min(1.0, bound / total)
    some = max(1, round(problems * share))
    order = random.Random(seed)
    drawn = _all_of(shapes, order) if share == 1.0 else _some_of(shapes, some, order)
    found = _Simulation(drawn, callers, driver, seed).run()
    rate = found.rate or found.requests / max(found.seconds, 1e-9)
    return SimulatedRun(found.seconds + max(0, total - found.requests) / rate, total, rate)


def _all_of(shapes: Mapping[ProblemShape, int], order: random.Random) -> Iterator[ProblemShape]:
    every = list(Counter(dict(shapes)).elements())
    order.shuffle(every)
    return iter(every)


def _some_of(shapes: Mapping[ProblemShape, int], count: int, order: random.Random) -> Iterator[ProblemShape]:
    return iter(order.choices(list(shapes), weights=list(shapes.values()), k=count))
