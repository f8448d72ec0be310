"""`stepdown plans`: list, show, edit or export the plans of a run, or solve again by an edited one."""

import difflib
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from stepdown.cli.console.editor import edited, person
from stepdown.cli.console.live_answer import numbered
from stepdown.cli.console.terminal import say, show, show_json
from stepdown.cli.options import CHOICE, Flag, Limit, OutputOptions, RunName
from stepdown.cli.solve_again import solve_edited
from stepdown.cli.stored_runs import one_run
from stepdown.cli.unused_options import given, refuse
from stepdown.cli.verbs.ask import read_plan
from stepdown.errors import UsageError
from stepdown.files import check_target, write_whole
from stepdown.problems import datasets
from stepdown.prompts import PROMPT_SETS, question_text
from stepdown.runner import PlanRow
from stepdown.settings import arguments, chosen
from stepdown.store import Run
from stepdown.types import Plan, Problem


@Parameter(name="*", group=CHOICE)
@dataclass(frozen=True, kw_only=True)
class PlanOptions:
    """What to do with plans; without --show, --edit or --export they are listed.

    Parameters
    ----------
    show
        Show the plan of this problem, with its edits.
    edit
        Edit the plan of this problem in your editor; the run keeps the edit beside the plan.
    steps
        With --edit: take the new steps from this file (`-` is stdin) instead of an editor.
    author
        With --edit: who edits; otherwise the name git knows.
    why
        With --edit: the reason, kept with the edit.
    solve
        With --edit: solve the problem again by its plan, and keep the result in a run of its own beside this one.
    student
        With --solve: another student than the run's.
    prompts
        With --solve: the prompt set, for a run whose own was a file.
    export
        Write all plans to this .jsonl file, which `run --plans FILE` reads.
    force
        With --export: replace a file that is there.
    limit
        List at most this many.
    """

    show: str | None = None
    edit: str | None = None
    steps: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None
    author: str | None = None
    why: Annotated[str, Parameter(show_default=False)] = ""
    solve: Flag = False
    student: Annotated[str, Parameter(show_default=False)] = ""
    prompts: Annotated[str, Parameter(show_default=False)] = ""
    export: Path | None = None
    force: Flag = False
    limit: Limit = None

    def check(self) -> None:
        """Refuse two things at once, and what belongs to a thing that was not asked for."""
        if sum(one is not None for one in (self.show, self.edit, self.export)) > 1:
            raise UsageError(
                "plans are shown, edited or exported, one at a time", "give one of --show, --edit, --export"
            )
        if self.edit is None and (self.steps is not None or self.author is not None or self.why or self.solve):
            raise UsageError("--steps, --author, --why and --solve need --edit", "add --edit PROBLEM")
        if (self.student or self.prompts) and not self.solve:
            raise UsageError("--student and --prompts need --solve", "add --solve")
        if self.export is None and self.force:
            raise UsageError("--force needs --export", "add --export FILE")
        if (self.show, self.edit, self.export) != (None, None, None):
            refuse(given(self, "limit"), "nothing is listed", "leave it out")


DEFAULTS, OUTPUT = PlanOptions(), OutputOptions()


def plans(run: RunName, /, *, options: PlanOptions = DEFAULTS, output: OutputOptions = OUTPUT) -> int:
    """List, show, edit or export the plans of a run."""
    options.check()
    with output.reopen() if options.edit is not None else output.read() as store:
        stored = one_run(store, run)
        if options.edit is not None:
            change(stored, options, output)
        elif options.export is not None:
            export(stored, options, output)
        else:
            show_plans(stored, options, as_json=output.json)
    return 0


class ListedPlan(PlanRow, frozen=True, kw_only=True, omit_defaults=False):
    """A line of `plans --json`, which is a line of a plans file with its run."""

    run: str


def listed(run: Run) -> Iterator[tuple[Problem, Plan]]:
    """Stream the plans of a run. Raises `UsageError` where it has none."""
    some = False
    for problem, plan in run.plans():
        some = True
        yield problem, plan
    if not some:
        raise UsageError(f"run `{run.id}` has no plans", "`stepdown runs` lists runs; trace-of-thought runs have plans")


def show_plans(run: Run, options: PlanOptions, *, as_json: bool) -> None:
    """List the plans of a run, or show one problem's with its edits."""
    pairs = [find(run, options.show)] if options.show is not None else listed(run)
    for index, (problem, plan) in enumerate(pairs):
        if options.limit is not None and index >= options.limit:
            break
        if as_json:
            show_json(row_of(run, problem, plan))
        elif options.show is None:
            show(f"{problem.id} · {len(plan.steps)} steps{lineage(plan)}", *numbered(plan.steps), "")
        else:
            show(question_text(problem), "", f"plan by {plan.author}:", *numbered(plan.steps))
            show(*history(run, problem))


def find(run: Run, problem: str) -> tuple[Problem, Plan]:
    """Return a problem of a run and its newest plan. Raises `UnknownName`, `UsageError`."""
    trace = run.trace(problem)
    newest = [edit.plan for edit in run.edits() if edit.problem == problem]
    plan = newest[-1] if newest else trace.plan
    if plan is None:
        raise UsageError(f"`{problem}` has no plan in run `{run.id}`", "trace-of-thought runs have plans")
    return trace.problem, plan


def row_of(run: Run, problem: Problem, plan: Plan) -> ListedPlan:
    """Return a plan as a line of JSON."""
    return ListedPlan(
        question=question_text(problem),
        plan=plan.text,
        author=plan.author,
        problem=problem.id,
        edited_from=plan.edited_from,
        why=plan.why,
        run=run.id,
    )


def lineage(plan: Plan) -> str:
    """Return by whom and why a plan was edited, nothing where it was not."""
    if plan.edited_from is None:
        return ""
    return f" · edited by {plan.author}" + (f": {plan.why}" if plan.why else "")


def history(run: Run, problem: Problem) -> list[str]:
    """Return the edits of a problem's plan, oldest first, each as what it changed."""
    edits = [edit.plan for edit in run.edits() if edit.problem == problem.id]
    return [line for plan in edits for line in ("", f"edit by {plan.author}{f': {plan.why}' * bool(plan.why)}",
                                                 *changes(plan))]  # fmt: skip


def changes(plan: Plan) -> list[str]:
    """Return an edited plan as a difference from the plan it came from."""
    before = Plan(plan.edited_from or "", plan.author)
    return list(difflib.unified_diff(before.steps, plan.steps, "before", "after", lineterm="", n=2))


def change(run: Run, options: PlanOptions, output: OutputOptions) -> None:
    """Have a person edit a plan, keep the edit, and say how to solve by it."""
    assert options.edit is not None, "a problem is named"
    problem, plan = find(run, options.edit)
    author = options.author or person()
    if options.steps is None:
        new = edited(plan, author=author, why=options.why, about=question_text(problem))
    else:
        steps = read_plan(options.steps).steps
        new = plan if steps == plan.steps else plan.edit(*steps, author=author, why=options.why)
    if new == plan:
        say("nothing changed")
    else:
        keep(run, problem, new, options, output)
    if options.solve:
        solve_edited(run, problem, new, student=options.student, prompts=options.prompts, as_json=output.json)


def keep(run: Run, problem: Problem, new: Plan, options: PlanOptions, output: OutputOptions) -> None:
    """Keep an edit, show what it changes, and say how to solve by it."""
    run.put_edit(problem.id, new)
    if not output.json:
        show(*changes(new))
    elif not options.solve:
        show_json(row_of(run, problem, new))
    if not options.solve:
        say("", f"kept; solve by the edited plans: `{again(run)}`")


def again(run: Run) -> str:
    """Return the command that solves a run's problems again by its plans as they are now.

    A run does not keep where its file lay: FILE stands for it, also for a benchmark, which may have come from the hub.
    """
    settings = run.settings
    dataset, *parts = settings.dataset.split("/")
    first = next(run.traces()).problem.id.rpartition("/")[2]
    known = {one.name for one in datasets()}
    given = {
        "--data": "FILE" if dataset in known and not dataset.startswith("wordsums") else "",
        "--split": parts[0] if parts else "",
        "--problems-seed": parts[1].removeprefix("seed-") if len(parts) > 1 else "",
        "-n": str(settings.count),
        "--offset": first if dataset in known and first.isdecimal() and first != "0" else "",
        "--method": settings.method,
        "--student": settings.student,
        "--plans": run.id,
        "--prompts": settings.prompt_set if settings.prompt_set in {*PROMPT_SETS} - {"default"} else "",
        "--samples": str(settings.samples) if settings.samples > 1 else "",
    }
    named = (f"{option} {shlex.quote(value)}" for option, value in given.items() if value)
    drawn = map(shlex.quote, arguments(chosen(settings.sampling)))
    return " ".join([f"stepdown run {dataset if dataset in known else 'FILE'}", *named, *drawn])


def export(run: Run, options: PlanOptions, output: OutputOptions) -> None:
    """Write all plans of a run to a file that `run --plans` reads."""
    assert options.export is not None, "a file is named"
    check_target(options.export, options.force)
    lines = [msgspec.json.encode(row_of(run, problem, plan)) + b"\n" for problem, plan in listed(run)]
    write_whole(options.export, b"".join(lines), force=options.force)
    if output.json:
        show_json({"run": run.id, "file": str(options.export), "rows": len(lines)})
    else:
        say(f"wrote {len(lines)} plans to {options.export}; use them with `stepdown run ... --plans {options.export}`")
