"""Small runs in a real store for the tests of lists and pages."""

from collections.abc import Sequence

from stepdown.store import Run, Store
from stepdown.types import GREEDY, Call, Grade, Kind, Message, Plan, Problem, Reply, Trace, Usage, Verdict
from stored_runs import LETTERS, keep_run

HOSTILE = (
    '</pre><script>window.hurt=1</script><img src=x onerror="window.hurt=1">![beacon](http://example.invalid/b.png) '
    "\\(\\def\\a{\\a\\a}\\a\\) $$\\href{javascript:alert(1)}{x}$$"
)


def problem(number: int, *, question: str = "", kind: Kind = "number") -> Problem:
    asked = question or f"Ada has {number} PEARS, finds one more. How many has she?"
    return Problem(f"sums/test/{number}", asked, str(number + 1), kind=kind)


def trace(asked: Problem, solution: str, *, plan: Plan | None = None, finish: bool = True, sample: int = 0) -> Trace:
    """Return a trace of one call, or of two with a plan."""
    messages = (Message("user", asked.question),)
    calls = (
        [Call("teacher", "openai/gpt-4o", messages, GREEDY, Reply(plan.text, "gpt-4o", Usage(30, 20)))] if plan else []
    )
    reply = Reply(solution, "small", Usage(100, 50), finish="stop" if finish else "length")
    calls.append(Call("student", "ollama/small", messages, GREEDY, reply, sample))
    return Trace(asked, "direct", plan, tuple(calls), solution, sample=sample)


def put_run(
    store: Store, verdicts: str, *, method: str = "direct", samples: int = 1, dataset: str = "sums/test", **named: str
) -> Run:
    """Keep a run whose traces, one for each letter, are right (r), wrong (w) or failed (-)."""
    rows: list[list[tuple[Trace, Grade | None]]] = [[] for _ in range(len(verdicts) // samples)]
    for place, letter in enumerate(verdicts):
        number, sample = divmod(place, samples)
        rows[number].append(graded(problem(number), LETTERS[letter], sample))
    return keep_run(
        store, rows, dataset=dataset, problems=dataset, method=method, samples=samples,
        student=named.get("student", "ollama/small"), teacher=named.get("teacher", ""),
    )  # fmt: skip


def graded(asked: Problem, verdict: Verdict, sample: int = 0) -> tuple[Trace, Grade]:
    """Return a trace of this verdict and the grade that gives it."""
    found = asked.answer if verdict == "right" else "0"
    one = trace(asked, f"So she has {found}.\nAnswer: {found}", sample=sample)
    if verdict == "ungraded":
        one = Trace(asked, "direct", error="the endpoint said no", sample=sample)
    return one, Grade(verdict, found, f"found {found}, gold {asked.answer}", "default@2")


def put(run: Run, place: Sequence[int], asked: Problem, verdict: Verdict, *, source: str = "") -> None:
    """Keep one trace of this verdict."""
    one, grade = graded(asked, verdict, place[1])
    run.put_trace(place[0], one, source=source)
    run.put_grades([(place[0], place[1], grade)])
