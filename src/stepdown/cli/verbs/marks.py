"""`stepdown marks`: what people say of a run's solutions, and a judge's figures corrected by it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from stepdown.cli.console.editor import person
from stepdown.cli.console.terminal import say, show_json
from stepdown.cli.mark_lines import show_differing, show_marks
from stepdown.cli.options import CHOICE, Flag, Limit, OutputOptions, RunName
from stepdown.cli.stored_runs import one_run
from stepdown.cli.unused_options import given, refuse
from stepdown.errors import UsageError
from stepdown.graders import Rubric, read_rubric
from stepdown.measuring import (
    MarkQuestion,
    differing_marks,
    mark_of,
    marks_on,
    questions_of,
    read_marks,
    rubric_behind,
    run_marks,
    write_marks,
)
from stepdown.runner import keep_rubric
from stepdown.store import SKIPPED, PersonMark, Run, put_marks, stored_marks
from stepdown.text import counted


@Parameter(name="*", group=CHOICE)
@dataclass(frozen=True, kw_only=True)
class MarksOptions:
    """By which criteria, and where marks come from or go to.

    Parameters
    ----------
    grader
        Beside this grader's grades, such as `rubric:clear`; otherwise the run's current one's.
    rubric
        By the criteria of this file, also before a judge has graded by it.
    to
        Write solutions drawn at random as a task for people to this .csv or .jsonl file.
    marks_from
        Keep the marks of filled task files, or of any table with `problem`, `mark` and maybe `criterion`, `rater`.
    limit
        Draw this many solutions for the task.
    seed
        The seed of that draw.
    force
        Replace a task file that is there.
    differ
        Say which solutions raters mark differently, and what was decided.
    final
        Decide where raters differ: `PROBLEM=MARK`, which counts instead of theirs; `PROBLEM=` takes it back.
    criterion
        The criterion of the final marks, where there are several.
    sample
        The sample of the problem, from 0, that is decided; otherwise the one that raters differ on.
    author
        Whose final marks they are; otherwise this machine's user.
    """

    grader: Annotated[str, Parameter(show_default=False)] = ""
    rubric: Path | None = None
    to: Path | None = None
    marks_from: Annotated[tuple[Path, ...], Parameter(name="--from", show_default=False)] = ()
    limit: Limit = 50
    seed: int = 0
    force: Flag = False
    differ: Flag = False
    final: Annotated[tuple[str, ...], Parameter(show_default=False)] = ()
    criterion: Annotated[str, Parameter(show_default=False)] = ""
    sample: int | None = None
    author: str | None = None


DEFAULTS, OUTPUT = MarksOptions(), OutputOptions()


class WrittenMarks(msgspec.Struct, frozen=True):
    """What `marks --to FILE --json` says."""

    run: str
    file: str
    items: int


def marks(run: RunName, /, *, options: MarksOptions = DEFAULTS, output: OutputOptions = OUTPUT) -> int:
    """Say what people's marks make of a judge's."""
    _check(options)
    with output.reopen() if options.marks_from or options.rubric or options.final else output.read() as store:
        found = one_run(store, run)
        rubric = _rubric(found, options)
        if options.to is not None:
            return _write(found, options.to, rubric, options, as_json=output.json)
        if options.marks_from:
            read = read_marks(found, rubric, *options.marks_from)
            put_marks(found, read)
            say(f"kept {counted(len(read), 'mark')}")
        if options.final:
            put_marks(found, _decided(found, rubric, options))
            say(f"kept {counted(len(options.final), 'final mark')}")
        if options.differ:
            return show_differing(found, rubric, as_json=output.json)
        result = run_marks(found, options.grader, rubric=rubric)
        if output.json:
            show_json(result.to_json())
        else:
            show_marks(result)
    return 0


def _check(options: MarksOptions) -> None:
    """Refuse options that contradict each other or would do nothing. Raises `UsageError`."""
    if options.grader and options.rubric:
        raise UsageError("the marks are by one rubric", "give --grader NAME or --rubric FILE")
    if options.to is None:
        refuse(given(options, "limit", "seed", "force"), "no task is written", "give --to FILE, or leave it out")
    elif options.marks_from:
        raise UsageError("a task is written, or filled ones are read", "give --to FILE or --from FILE")
    if options.to is not None and (options.differ or options.final):
        raise UsageError("a task is written, or marks are looked at", "give --to FILE or --differ or --final")
    if not options.final:
        refuse(
            given(options, "criterion", "sample", "author"),
            "nothing is decided",
            "give --final PROBLEM=MARK, or leave it out",
        )


def _decided(run: Run, rubric: Rubric | None, options: MarksOptions) -> list[PersonMark]:
    """Return the final marks that the options give. Raises `UsageError`."""
    questions = {one.criterion: one for one in questions_of(rubric)}
    named = options.criterion or (next(iter(questions)) if len(questions) == 1 else "")
    if named not in questions:
        what = f"`{named[:60]}` is no criterion of the rubric" if named else "the rubric has several criteria"
        raise UsageError(what, f"give --criterion with one of {', '.join(questions)}")
    asked, marks, author = questions[named], list[PersonMark](), options.author or person()
    for one in options.final:
        problem, _, given_mark = one.rpartition("=")
        mark = mark_of(given_mark, asked.scale) if given_mark else ""
        if mark in (None, SKIPPED):
            raise UsageError(f"`{given_mark[:40]}` is no mark", f"one of {', '.join(marks_on(asked.scale))}")
        trace = run.trace(problem, _sample(run, problem, asked, options.sample))
        marks.append(PersonMark(problem, trace.sample, asked.key, author, mark or "", final=True))
    return marks


def _sample(run: Run, problem: str, asked: MarkQuestion, given_one: int | None) -> int:
    """Return the sample of a problem to decide, 0 where raters differ on none. Raises `UsageError` for several."""
    places = differing_marks(stored_marks(run), (asked,))
    samples = sorted(sample for one, sample in places if one == problem)
    if given_one is None and len(samples) > 1:
        named = ", ".join(map(str, samples))
        raise UsageError(f"raters differ on several samples of `{problem[:60]}`", f"give --sample with one of {named}")
    return given_one if given_one is not None else next(iter(samples), 0)


def _rubric(run: Run, options: MarksOptions) -> Rubric | None:
    if options.rubric is None:
        return rubric_behind(run, run.stored_grader(options.grader) if options.grader else run.grader)
    rubric = read_rubric(options.rubric)
    keep_rubric(run, rubric)
    return rubric


def _write(run: Run, file: Path, rubric: Rubric | None, options: MarksOptions, *, as_json: bool) -> int:
    items = write_marks(run, file, rubric, limit=options.limit, seed=options.seed, force=options.force)
    if as_json:
        show_json(WrittenMarks(run.id, str(file), items))
    else:
        say(
            f"wrote {counted(items, 'solution')} to {file}; keep filled ones with `stepdown marks {run.id} --from FILE`"
        )
    return 0
