"""Where plans come from: a model, the data set, a file, another run."""

from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from stepdown.errors import BadRow, CallFailed, UnknownName, UsageError, closest
from stepdown.prompts import question_text
from stepdown.runner.controls import CONTROLS, controlled, marked
from stepdown.store import Run
from stepdown.types import Ask, Method, Plan, Problem, fingerprint

SOURCES = ("teacher", "own", "gold")


class Plans(msgspec.Struct, frozen=True, kw_only=True):
    """A source of plans: `teacher`, `own` (the student plays the teacher), `gold`, or `recorded` ones.

    `control` changes every plan: `shuffled` gives the plan of the next problem of the run, `generic` as many steps of
    as many words that fit any problem, `masked` hides numbers in figures and words, `no-nosolve` takes out sentences
    that forbid solving, `leaked` adds a step that tells the answer.
    """

    source: str = "teacher"
    control: str = ""
    recorded: dict[str, Plan] = {}

    @property
    def name(self) -> str:
        """What a run's settings say of it; recorded plans are named by their content."""
        return f"{self.source}:{fingerprint(self.recorded)[:8]}" if self.recorded else self.source

    async def plan(self, problem: Problem, method: Method, ask: Ask, author: str) -> Plan:
        """Return the plan for a problem. Raises `CallFailed` where the source has none for it."""
        plan = await self._find(problem, method, ask, author)
        return controlled(plan, self.control, problem)

    async def _find(self, problem: Problem, method: Method, ask: Ask, author: str) -> Plan:
        if self.recorded:
            plan = self.recorded.get(question_text(problem)) or self.recorded.get(problem.question)
            if plan is None:
                raise CallFailed(f"`{self.source}` has no plan for `{problem.id}`", "choose problems that it covers")
            return plan
        if self.source == "gold":
            if not problem.plan:
                raise CallFailed(f"`{problem.id}` has no gold plan", "gold plans come with wordsums")
            return Plan(problem.plan, author="gold")
        assert method.plan is not None, "only a method with a plan asks for one"
        return Plan(await method.plan(problem, ask), author=author)


def load_plans(name: str = "teacher", control: str = "", *, find_run: Callable[[str], Run] | None = None) -> Plans:
    """Return a source of plans by name: `teacher`, `own`, `gold`, a file, or (with `find_run`) a run's id.

    Raises `UnknownName` for a control or run that is not there, `BadRow` for a file that holds no plans.
    """
    control = control.partition("@")[0] if control in map(marked, CONTROLS) else control
    if control and control not in CONTROLS:
        raise UnknownName("control", control, CONTROLS)
    if name in SOURCES:
        return Plans(source=name, control=control)
    path = Path(name)
    if path.suffix or path.exists():
        recorded = dict(_read(path))
    elif find_run is not None:
        run = _run_named(name, find_run)
        name, recorded = f"recorded/{run.id}", dict((question_text(p), plan) for p, plan in run.plans())
    else:
        raise UnknownName("source of plans", name, SOURCES)
    if not recorded:
        raise UsageError(f"`{name}` has no plans", "`stepdown runs` lists runs; trace-of-thought runs have plans")
    return Plans(source=name, control=control, recorded=recorded)


def _run_named(name: str, find_run: Callable[[str], Run]) -> Run:
    """Return the run whose plans a name means. Raises `UnknownName`, which also says what else a name may be."""
    try:
        return find_run(name.removeprefix("recorded/"))
    except UnknownName:
        if close := closest(name, SOURCES):
            raise UsageError(f"there is no source of plans `{name}`", f"did you mean `{close[0]}`?") from None
        raise


class PlanRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of a plans file, as `stepdown plans RUN --export FILE` writes it."""

    question: str
    plan: str
    author: str = "file"
    problem: str = ""
    edited_from: str | None = None
    why: str = ""


def _read(path: Path) -> Iterable[tuple[str, Plan]]:
    decode = msgspec.json.Decoder(PlanRow).decode
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise UsageError(f"cannot read plans from `{path}`: {error.strerror}", "give a .jsonl file") from error
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                row = decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                raise BadRow(path, number, "plan", f"a JSON object with `question` and `plan` ({error})") from error
            yield row.question, Plan(row.plan, row.author, row.edited_from, row.why)
