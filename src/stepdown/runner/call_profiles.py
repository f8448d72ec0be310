"""What one call of a model takes: tokens, bytes and seconds, from the store's calls of it, or else assumed by name."""

import random
import zlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from math import log, sqrt
from statistics import fmean, median, quantiles, stdev

import msgspec

from stepdown.models import capacity_of
from stepdown.runner.task import Task
from stepdown.store import MeasuredRequest, Store, measured_requests
from stepdown.types import Model, Role
from stepdown.usercode import source_of

# English text and arithmetic hold about this many characters a token in today's tokenizers.
CHARACTERS_PER_TOKEN = 4
TYPICAL_TOKENS: dict[Role, int] = {"teacher": 120, "student": 250, "judge": 4}
# Fewer requests than these say too little of a model.
LEAST_MEASURED = 20
# How far the lengths of replies to one kind of prompt lie apart: the sigma of a lognormal, where nothing is measured.
_SPREAD = 0.5
_TEXTS = 200


class Estimated(msgspec.Struct, frozen=True):
    """A number that is not known yet, with the bounds it should lie in."""

    low: float
    value: float
    high: float

    def times(self, factor: float) -> "Estimated":
        """Return it so many times."""
        return Estimated(self.low * factor, self.value * factor, self.high * factor)


class Constant(msgspec.Struct, frozen=True):
    """A number that an estimate rests on: taken from so many `measured` requests, assumed where that is 0."""

    name: str
    value: float
    low: float
    high: float
    unit: str = ""
    measured: int = 0
    note: str = ""


class CallProfile(msgspec.Struct, frozen=True, kw_only=True):
    """What a request of one model in one role takes.

    `per_token` are the characters of a token of its prompts, `output` the tokens of a reply and `characters` those of
    its text. `kept` is the share of a text's bytes that compression leaves. `scales` are what its latencies are
    multiplied by for the lower bound, the value and the upper bound. `several`: one request brings all draws of a
    prompt, which is a `guess` where nothing is measured.
    """

    role: Role
    model: str
    per_token: Estimated
    output: Estimated
    characters: float
    kept: float | None
    latency: Callable[[float], Callable[[random.Random, int], float]]
    scales: Estimated
    several: bool
    guess: bool
    constants: tuple[Constant, ...]


def profile_of(task: Task, store: Store, role: Role, model: Model) -> CallProfile:
    """Return what a call of this task takes in one of its roles."""
    sampling = task.teacher_sampling if model is task.planner and role == "teacher" else task.sampling
    found = measured_requests(
        store, model.name, source_of(model), role=role, method=task.method.name, effort=sampling.reasoning_effort
    )
    typical = min(TYPICAL_TOKENS[role], sampling.max_tokens)
    timed = found if len(found) >= LEAST_MEASURED else []
    per_token, output, *constants = _tokens(f"`{model.name}` as {role}", timed, typical, sampling.max_tokens)
    latency, scales, more = _timing(f"`{model.name}` as {role}", timed, output, model)
    draws, guess = _draws(timed, can=capacity_of(model).several)
    texts = [reply.text for one in timed for reply in one.replies]
    return CallProfile(
        role=role,
        model=model.name,
        per_token=per_token,
        output=output,
        characters=fmean(map(len, texts)) if texts else output.value * CHARACTERS_PER_TOKEN,
        kept=_compressed(texts),
        latency=latency,
        scales=scales,
        several=draws,
        guess=guess,
        constants=(*constants, *more),
    )


def _tokens(
    who: str, found: Sequence[MeasuredRequest], typical: int, most: int
) -> tuple[Estimated, Estimated, Constant, Constant]:
    """Return characters of a token, tokens of a reply, and both as constants."""
    sizes = [(one.characters, one.input) for one in found if one.input]
    lengths = [reply.usage.output for one in found for reply in one.replies if reply.usage]
    per_token = Estimated(3.0, float(CHARACTERS_PER_TOKEN), 5.0)
    if len(sizes) >= LEAST_MEASURED:
        ratio = sum(size for size, _ in sizes) / sum(tokens for _, tokens in sizes)
        per_token = Estimated(ratio * 0.97, ratio, ratio * 1.03)
    else:
        sizes = []
    output = Estimated(typical * 0.3, float(typical), min(typical * 3.0, float(most)))
    if len(lengths) >= LEAST_MEASURED:
        mean, error = mean_of(lengths)
        output = Estimated(max(0.0, mean - error), mean, min(mean + error, float(most)))
    else:
        lengths = []
    return (
        per_token,
        output,
        _constant(f"characters of a token, {who}", per_token, "characters", len(sizes)),
        _constant(f"reply of {who}", output, "tokens", len(lengths)),
    )


def _timing(
    who: str, found: Sequence[MeasuredRequest], output: Estimated, model: Model
) -> tuple[Callable[[float], Callable[[random.Random, int], float]], Estimated, tuple[Constant, ...]]:
    """Return how latencies are drawn at a scale, the scales of the bounds, and what that rests on."""
    if model.capabilities.recorded:
        return lambda scale: lambda chance, draws: 0.0, Estimated(1.0, 1.0, 1.0), ()
    if found:
        return _measured_timing(who, found)
    first, speed = Estimated(0.2, 0.5, 2.0), Estimated(20.0, 60.0, 150.0)
    cost = Estimated(
        first.low + output.low / speed.high,
        first.value + output.value / speed.value,
        first.high + output.high / speed.low,
    )

    def at(scale: float) -> Callable[[random.Random, int], float]:
        mean = scale * (cost.value - first.value)
        centre = log(max(mean, 1e-9)) - _SPREAD**2 / 2

        def draw(chance: random.Random, draws: int) -> float:
            return scale * first.value + max(chance.lognormvariate(centre, _SPREAD) for _ in range(draws))

        return draw

    constants = (
        _constant(f"first token of {who}", first, "seconds", 0),
        _constant(f"speed of {who}", speed, "tokens/s", 0),
    )
    return at, Estimated(cost.low / cost.value, 1.0, cost.high / cost.value), constants


def _measured_timing(
    who: str, found: Sequence[MeasuredRequest]
) -> tuple[Callable[[float], Callable[[random.Random, int], float]], Estimated, tuple[Constant, ...]]:
    seconds = [one.seconds for one in found]
    mean, error = mean_of(seconds)
    together = max(1, round(median(len(one.replies) for one in found)))

    def at(scale: float) -> Callable[[random.Random, int], float]:
        def draw(chance: random.Random, draws: int) -> float:
            # A request for more draws than were measured ends with the longest of them.
            return scale * max(chance.choice(seconds) for _ in range(max(1, round(draws / together))))

        return draw

    cuts = quantiles(seconds, n=20, method="inclusive")
    tokens = [(one.output, one.seconds) for one in found if one.output]
    speed = sum(count for count, _ in tokens) / sum(each for _, each in tokens) if tokens else 0.0
    note = f"p50 {cuts[9]:.2f} s, p95 {cuts[18]:.2f} s" + (f", {speed:.0f} tokens/s" if speed else "")
    latency = Estimated(max(0.0, mean - error), mean, mean + error)
    constant = _constant(f"request of {who}", latency, "seconds", len(found), note)
    return at, latency.times(1 / mean), (constant,)


def _draws(found: Sequence[MeasuredRequest], *, can: bool) -> tuple[bool, bool]:
    """Return whether a request brings several draws of a prompt, and whether that is a guess."""
    prompts: dict[int, list[int]] = defaultdict(list)
    for one in found:
        prompts[one.prompt].append(len(one.replies))
    several = [counts for counts in prompts.values() if sum(counts) > 1]
    if not can or not several:
        return can, can
    return any(max(counts) > 1 for counts in several), False


def mean_of(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and three of its standard errors, which are never taken for less than 3 % of it."""
    mean = fmean(values)
    return mean, max(0.03 * mean, 3 * stdev(values) / sqrt(len(values)))


def _compressed(texts: Sequence[str]) -> float | None:
    """Return the share of these texts' bytes that compression leaves; None where there are too few to say."""
    if len(texts) < LEAST_MEASURED:
        return None
    body = "\n".join(texts[:_TEXTS]).encode(errors="replace")
    return len(zlib.compress(body, 6)) / max(1, len(body))


def _constant(name: str, found: Estimated, unit: str, measured: int, note: str = "") -> Constant:
    return Constant(name, found.value, found.low, found.high, unit, measured, note)
