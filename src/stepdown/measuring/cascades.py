"""Where a cascade should go on to its teacher: what each threshold would have given on two stored runs."""

import re
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b

import msgspec

from stepdown.answers import majority_indices
from stepdown.errors import UsageError
from stepdown.graders import Attempts, majority_grade, votes_of
from stepdown.measuring.cascade_goals import Goal
from stepdown.measuring.cascade_rows import ProblemOutcome, Threshold, threshold_row
from stepdown.methods import METHODS
from stepdown.models import Prices
from stepdown.prompts import PROMPT_SETS, question_text
from stepdown.store import Run
from stepdown.types import Call, Kind, Pricing, Settings, Usage, Verdict
from stepdown.usual_stops import has_own_stops

VERSION = 1
_BARE = re.compile(r"[A-Za-z0-9_-]+")  # a key that TOML takes without quotes


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """Every threshold of a cascade, the one that was chosen (None where none meets the goal), and how it holds up.

    A goal is met by the bound that the problems at hand can vouch for, not by their mean. `settings` are the cheap
    run's, `kind` is what its answers are. `held` is the chosen threshold on the problems held out, None where none
    were; `warning` says what the figures are worth, `refusal` why nothing can be guaranteed and what it would take.
    """

    cheap: str
    dear: str
    planner: str
    teacher: str
    student: str
    votes: int
    kind: Kind
    settings: Settings
    goal: str
    rows: tuple[Threshold, ...]
    chosen: Threshold | None
    held: Threshold | None
    warning: str
    version: int = VERSION
    refusal: str = ""

    @property
    def handed_on(self) -> int:
        """How many problems the chosen threshold handed on, of those it was chosen and those it was checked on."""
        return sum(round(row.escalated * row.total) for row in self._tried)

    @property
    def calibrated_on(self) -> int:
        """How many problems it was chosen and checked on."""
        return sum(row.total for row in self._tried)

    @property
    def _tried(self) -> list[Threshold]:
        return [row for row in (self.chosen, self.held) if row is not None]

    def to_toml(self, name: str = "cascade") -> str:
        """Return the lines of `stepdown.toml` that serve the chosen cascade; "" where none was chosen."""
        if self.chosen is None:
            return ""
        texts = {"planner": self.planner, "teacher": self.teacher, "student": self.student}
        key = name if _BARE.fullmatch(name) else msgspec.json.encode(name).decode()
        lines = [f"[models.{key}]", f'method = "{self.settings.method}"']
        lines += [f"{field} = {msgspec.json.encode(value).decode()}" for field, value in texts.items()]
        lines += [f"votes = {self.votes}", f"threshold = {self.chosen.threshold:g}"]
        lines += [f"handed_on = {self.handed_on}", f"calibrated_on = {self.calibrated_on}"]
        lines += [f'kind = "{self.kind}"', f"temperature = {self.settings.sampling.temperature:g}"]
        lines += [f"max_tokens = {self.settings.sampling.max_tokens}"]
        lines += [f"teacher_max_tokens = {self.settings.teacher_sampling.max_tokens}"]
        drawn = {"": self.settings.sampling, "teacher_": self.settings.teacher_sampling}
        lines += [f'{whose}reasoning_effort = "{e}"' for whose, one in drawn.items() if (e := one.reasoning_effort)]
        if self.settings.prompt_set in PROMPT_SETS and self.settings.prompt_set != "default":
            lines.append(f'prompts = "{self.settings.prompt_set}"')
        elif self.settings.prompt_set.partition("/")[0] not in PROMPT_SETS:
            lines.append(f"# prompts = the file of the set {msgspec.json.encode(self.settings.prompt_set).decode()}")
        return "\n".join(lines)


def calibrate(cheap: Run, dear: Run, goal: Goal, *, holdout: float = 0.0, prices: Pricing | None = None) -> Calibration:
    """Try every threshold of k agreeing votes on two runs over the same problems, and choose one for a goal.

    `cheap` has several samples by the planner's plans, `dear` one by the large teacher's. A share `holdout` of the
    problems, drawn by a hash of the question, has no part in the choice and checks it. Keeps a line per problem in
    memory. Raises `UsageError` for runs that make no cascade.
    """
    goal.check()
    if not 0 <= holdout < 1:
        raise UsageError(f"a holdout of `{holdout:g}`", "give a share below 1, such as 0.5")
    check_runs(cheap.settings, dear.settings)
    tried = list(_tried(cheap, dear, prices or Prices()))
    choosing = [one for one in tried if not held_out(one.question, holdout)]
    checking = [one for one in tried if held_out(one.question, holdout)]
    if not choosing or (holdout and not checking):
        shared = f"runs `{cheap.id}` and `{dear.id}` share {len(tried)} problems, too few to choose by"
        raise UsageError(shared, "run both over the same problems; `stepdown runs` lists them")
    if len({one.kind for one in tried}) > 1:
        raise UsageError("the answers are of several kinds, and a cascade reads one", "take runs over one data set")
    votes = cheap.settings.samples
    rows = tuple(threshold_row(choosing, votes, agreeing) for agreeing in range(1, votes + 1))
    chosen = goal.choose(rows, choosing)
    check = threshold_row(checking, votes, chosen.agreeing) if chosen and checking else None
    return Calibration(
        cheap=cheap.id,
        dear=dear.id,
        planner=planner_of(cheap.settings),
        teacher=planner_of(dear.settings),
        student=cheap.settings.student,
        votes=votes,
        kind=tried[0].kind,
        settings=cheap.settings,
        goal=str(goal),
        rows=rows,
        chosen=chosen,
        held=check,
        warning=_warning(goal, rows, check),
        refusal=goal.refusal(rows) if goal.is_guaranteed and chosen is None else "",
    )


def check_runs(cheap: Settings, dear: Settings) -> None:
    """Refuse two runs that are no two halves of a cascade. Raises `UsageError`."""
    method = METHODS.get(cheap.method)
    if method is None or method.plan is None or dear.method != cheap.method:
        raise UsageError(
            "a cascade is of one method with plans, such as trace-of-thought",
            "name two runs of that method; `stepdown runs` lists them",
        )
    if cheap.samples < 2:
        raise UsageError("the cheap run has one sample per problem, so no votes", "run it with --samples 5")
    if dear.samples > 1:
        raise UsageError("the dear run has several samples, and a cascade asks for one", "run it with --samples 1")
    if cheap.student != dear.student:
        raise UsageError(
            f"the runs are by two students, `{cheap.student}` and `{dear.student}`", "name two runs of one student"
        )
    for one in (cheap, dear):
        if not planner_of(one):
            raise UsageError(f"plans from `{one.plans}` cannot be asked for again", "name runs by a teacher's plans")
    check_drawing(cheap, dear)


def makes_cascade(cheap: Settings, dear: Settings) -> bool:
    """Whether two runs are the two halves of a cascade, on one set of problems."""
    try:
        check_runs(cheap, dear)
    except UsageError:
        return False
    return cheap.problems == dear.problems


def check_drawing(cheap: Settings, dear: Settings) -> None:
    """Refuse runs that were drawn as no cascade is served: its figures would be another one's. Raises `UsageError`."""
    students, teachers = (cheap.sampling, dear.sampling), (cheap.teacher_sampling, dear.teacher_sampling)
    if any(one.temperature for one in (dear.sampling, *teachers)) or any(one.top_p < 1 for one in students + teachers):
        raise UsageError(
            "a cascade draws plans and the dear solution greedily, and nothing with top_p, but these runs were not so",
            "run them with --temperature for the cheap run's student alone",
        )
    if any(len({(one.max_tokens, one.reasoning_effort) for one in some}) > 1 for some in (students, teachers)):
        raise UsageError(
            "the runs have different limits of tokens, or reasoning efforts, and a cascade has one for both",
            "run both with the same --max-tokens, --reasoning-effort, and those of the teacher",
        )
    if own := sorted({text for one in students if has_own_stops(one) for text in one.stop}):
        ends = ", ".join(f"`{one}`" for one in own)
        raise UsageError(
            f"solutions of the runs end before {ends}, and a cascade has the usual ends",
            "run both without --stop",
        )
    words = {one.prompt_set.partition("/")[0] for one in (cheap, dear)}
    if len(words) > 1:
        raise UsageError(
            f"the student was asked in different prompt sets, {' and '.join(f'`{one}`' for one in sorted(words))}",
            "run both with the same --prompts",
        )


def planner_of(settings: Settings) -> str:
    """Return the model that wrote the plans of a run, "" where no model did for it."""
    return settings.student if settings.plans == "own" else settings.teacher if settings.plans == "teacher" else ""


def held_out(question: str, share: float) -> bool:
    """Whether a question is in the part held out: the same on every machine, whatever else is in the run."""
    rank = int.from_bytes(blake2b(question.encode(errors="surrogatepass"), digest_size=8).digest())
    return rank < share * 2**64


def _tried(cheap: Run, dear: Run, prices: Pricing) -> Iterator[ProblemOutcome]:
    answers = {question_text(attempts[0][0].problem): _figures(attempts, prices) for attempts in dear.by_problem()}
    for attempts in cheap.by_problem():
        problem = attempts[0][0].problem
        question = question_text(problem)
        if question not in answers:
            continue
        votes, verdict, cost, tokens, most = _figures(attempts, prices)
        _, dear_verdict, dear_cost, dear_tokens, dear_most = answers.pop(question)
        yield ProblemOutcome(question, problem.kind, votes, verdict, dear_verdict, cost, dear_cost, tokens, dear_tokens,
                             most, dear_most)  # fmt: skip


def _figures(attempts: Attempts, prices: Pricing) -> tuple[int, Verdict, float | None, int | None, float | None]:
    """The votes for the answer of some samples, that answer's verdict, what all of them took, and what they might."""
    places = majority_indices(attempts[0][0].problem.kind, votes_of(attempts))
    votes, grade = len(places), majority_grade(attempts)
    calls = [call for trace, _ in attempts for call in trace.calls if not call.reply.cached]
    usages = [call.reply.usage for call in calls]
    tokens = [usage.input + usage.output for usage in usages if usage is not None]
    cost = _sum(prices.cost(call.model, call.reply.usage) for call in calls)
    most = _sum(prices.cost(call.model, _longest(call)) for call in calls)
    return votes, grade.verdict, cost, sum(tokens) if len(tokens) == len(usages) else None, most


def _longest(call: Call) -> Usage | None:
    """What a call would have used with a reply as long as its limit."""
    usage = call.reply.usage
    return usage and Usage(usage.input, max(usage.output, call.sampling.max_tokens))


def _sum(costs: Iterable[float | None]) -> float | None:
    found = list(costs)
    known = [cost for cost in found if cost is not None]
    return sum(known) if len(known) == len(found) else None


def _warning(goal: Goal, rows: Sequence[Threshold], check: Threshold | None) -> str:
    count = rows[0].total
    if goal.is_guaranteed:
        text = f"This holds for problems drawn as these {count} were, under the same models and settings"
        if check is None:
            return f"{text}."
        return f"{text}; of {check.total} problems held out it lost {check.lost} and won {check.won}."
    chosen = f"The threshold was chosen on these {count} problems, so its figures flatter it"
    if check is None:
        way = "`stepdown calibrate --holdout 0.5` checks it on others"
        return f"{chosen} a little; its bound is what they vouch for. {way}."
    text = f"{chosen}; the {check.total} problems held out had no part in the choice"
    if goal.accuracy is not None and (check.accuracy or 0.0) < goal.accuracy:
        return f"{text}, and on them it MISSES the goal: take more problems, or ask for less."
    return f"{text}."
