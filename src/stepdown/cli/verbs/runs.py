"""`stepdown runs`: the runs of the store, what people call them, and taking some out."""

import sys
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from stepdown.cli.console.terminal import say, show, show_json
from stepdown.cli.options import CHOICE, Flag, Limit, OutputOptions
from stepdown.cli.overview import example_of, give_examples
from stepdown.cli.run_listing import ListedRun, called, cells, listed, show_runs
from stepdown.cli.stored_runs import one_run, runs_of
from stepdown.errors import Interrupted, UsageError
from stepdown.store import (
    NO_LABELS,
    Removed,
    Run,
    RunLabels,
    cut_runs,
    label,
    labels_of,
    removal_of,
    remove_runs,
    run_labels,
    tag,
    untag,
)
from stepdown.text import clipped, counted, money

app = App(
    name="runs",
    help="List the runs of the store, name them, tag them, put them aside, or take them out.",
    default_parameter=Parameter(negative=()),
    help_format="plaintext",
    version_flags=(),
    help_epilogue=example_of("runs"),
)
OUTPUT = OutputOptions()
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@Parameter(name="*", group=CHOICE)
@dataclass(frozen=True, kw_only=True)
class RunFilters:
    """Which runs; those that fit all that is given.

    Parameters
    ----------
    dataset
        On this data set, such as `gsm8k`.
    student
        By a student whose model string has these words.
    method
        By this method.
    since
        Begun since a day (`2026-03-01`), or so long ago: `90m`, `12h`, `7d`, `2w`.
    tag
        With this tag; of several tags, with all.
    name
        Called so.
    last
        Of the last command.
    limit
        The newest so many.
    all
        Also hidden ones.
    """

    dataset: str = ""
    student: str = ""
    method: str = ""
    since: str = ""
    tag: tuple[str, ...] = ()
    name: str = ""
    last: Flag = False
    limit: Limit = None
    all: Annotated[bool, Parameter(name="--all", show_default=False)] = False

    def keeps(self, run: Run, labels: RunLabels, first: float) -> bool:
        """Whether a run that was begun at `first` (unix seconds) or later fits, but for its tags and its command."""
        settings = run.settings
        return (
            (settings.dataset + "/").startswith(self.dataset and self.dataset + "/")
            and self.student.casefold() in settings.student.casefold()
            and self.method in ("", settings.method)
            and self.name in ("", labels.name)
            and run.created >= first
        )


FILTERS = RunFilters()


@app.default
def runs(*, filters: RunFilters = FILTERS, output: OutputOptions = OUTPUT) -> int:
    """List the runs of the store, oldest first; hidden ones only with --all."""
    rows: list[ListedRun] = []
    hidden = 0
    if output.store_path.exists():
        with output.read() as store:
            cut, labels = cut_runs(store), labels_of(store)
            chosen = runs_of(store, (), last=filters.last, tags=filters.tag)
            first = _moment(filters.since) if filters.since else 0.0
            found = [run for run in chosen if filters.keeps(run, labels.get(run.id, NO_LABELS), first)]
            shown = [run for run in found if filters.all or not labels.get(run.id, NO_LABELS).hidden]
            hidden = len(found) - len(shown)
            newest = shown[-filters.limit :] if filters.limit else shown
            rows = [listed(run, cut.get(run.id), labels.get(run.id, NO_LABELS)) for run in newest]
    if output.json:
        for one in rows:
            show_json(one)
        return 0
    left = f" {counted(hidden, 'hidden run')} left out; --all shows them." if hidden else ""
    if rows:
        note = f"Counts are of traces. Store: {output.store_path}.{left}"
        show_runs(rows, note)
    elif filters == FILTERS and not hidden:
        say(f"there are no runs in {output.store_path}; `stepdown demo` makes some")
    else:
        say(f"there are no such runs in {output.store_path}.{left}")
    return 0


def _moment(since: str) -> float:
    """Return the unix time that `--since` means. Raises `UsageError`."""
    amount, unit = since[:-1], since[-1:]
    try:
        if unit in _UNITS and amount.isascii() and amount.isdigit():
            return time.time() - timedelta(**{_UNITS[unit]: int(amount)}).total_seconds()
        return datetime.fromisoformat(since).timestamp()
    except (ValueError, OverflowError, OSError):
        raise UsageError(
            f"`{since[:40]}` is no time",
            "give a day such as `2026-03-01`, or `90m`, `12h`, `7d`, `2w`",
            option="--since",
        ) from None


@app.command
def rename(run: str, name: str, /, *, output: OutputOptions = OUTPUT) -> int:
    """Give a run a name, by which any verb takes it; an empty one takes the name away.

    Parameters
    ----------
    run
        A run: its name, or its id or the beginning of it.
    name
        The name, such as `baseline`; several runs may share one.
    """
    with output.reopen() as store:
        found = one_run(store, run)
        label(found, name=name)
        _show([found], as_json=output.json)
    return 0


@app.command(name="tag", usage="Usage: stepdown runs tag RUN TAG... [OPTIONS]")
def tag_run(run: str, /, *tags: str, remove: Flag = False, output: OutputOptions = OUTPUT) -> int:
    """Add tags to a run, or to all that a data set, `@last` or `@TAG` means.

    Parameters
    ----------
    run
        The run, or what stands for several.
    tags
        Tags, each one word.
    remove
        Take them away.
    """
    if not tags:
        raise UsageError("no tag is given", "stepdown runs tag RUN TAG...")
    with output.reopen() as store:
        found = runs_of(store, (run,))
        for one in found:
            (untag if remove else tag)(one, *tags)
        _show(found, as_json=output.json)
    return 0


@app.command(name="note")
def note_run(run: str, text: str | None = None, /, *, output: OutputOptions = OUTPUT) -> int:
    """Keep a note on a run, or show the one there is.

    Parameters
    ----------
    run
        A run: its name, or its id or the beginning of it.
    text
        The note, instead of the one there is; an empty one takes it away.
    """
    with output.read() if text is None else output.reopen() as store:
        found = one_run(store, run)
        if text is not None:
            label(found, note=text)
        if output.json or text is not None:
            _show([found], as_json=output.json)
        else:
            show(run_labels(found).note)
    return 0


@app.command(usage="Usage: stepdown runs hide RUN... [OPTIONS]")
def hide(*runs: str, output: OutputOptions = OUTPUT) -> int:
    """Leave runs out of lists, reports and pages; `--all` still shows them, and so does who names them.

    Parameters
    ----------
    runs
        Runs, or what stands for several: a data set, `@last`, `@TAG`.
    """
    return _hide(runs, output, hidden=True)


@app.command(name="show", usage="Usage: stepdown runs show RUN... [OPTIONS]")
def show_again(*runs: str, output: OutputOptions = OUTPUT) -> int:
    """Show runs again that were hidden.

    Parameters
    ----------
    runs
        Runs, or what stands for several: a data set, `@last`, `@TAG`.
    """
    return _hide(runs, output, hidden=False)


def _hide(names: tuple[str, ...], output: OutputOptions, *, hidden: bool) -> int:
    if not names:
        raise UsageError("no run is given", "`stepdown runs --all` lists them")
    with output.reopen() as store:
        found = runs_of(store, names)
        for run in found:
            label(run, hidden=hidden)
        _show(found, as_json=output.json)
    return 0


def _show(found: list[Run], *, as_json: bool) -> None:
    """Say how runs are called now."""
    for run in found:
        one = listed(run, labels=run_labels(run))
        if as_json:
            show_json(one)
        else:
            say(
                f"run {run.id}: {called(one) or 'no name and no tag'}"
                + (f"; note: {clipped(' '.join(one.note.split()), 60)}" if one.note else "")
            )


@Parameter(name="*", group=CHOICE)
@dataclass(frozen=True, kw_only=True)
class RemovalOptions:
    """What goes.

    Parameters
    ----------
    calls
        Also the answered calls that no other run uses, so that the same question would be paid for again.
    yes
        Do not ask.
    prices
        A file of prices, as for `run`, for what was paid.
    """

    calls: Flag = False
    yes: Annotated[bool, Parameter(name=["--yes", "-y"], show_default=False)] = False
    prices: Path | None = None


REMOVAL = RemovalOptions()


@app.command(usage="Usage: stepdown runs rm RUN... [OPTIONS]")
def rm(*runs: str, options: RemovalOptions = REMOVAL, output: OutputOptions = OUTPUT) -> int:
    """Take runs out of the store. It says what would go and asks; what was paid for is kept, and found again.

    Parameters
    ----------
    runs
        Runs, or what stands for several: a data set, `@last`, `@TAG`.
    """
    # Loaded where money is counted: a list of runs needs no models.
    from stepdown.models import Prices

    if not runs:
        raise UsageError("no run is given", "`stepdown runs` lists them")
    with output.reopen() as store:
        found = runs_of(store, runs)
        would = removal_of(store, found, calls=options.calls)
        costs = [Prices(options.prices).cost(model, usage) for model, usage in store.paid(would.runs)]
        say(*_words(would, [listed(run, labels=run_labels(run)) for run in found], costs))
        if not options.yes and not _agreed():
            say("nothing was taken out")
            return Interrupted.exit_code
        gone = remove_runs(store, found, calls=options.calls)
    if output.json:
        show_json(gone)
    else:
        say(f"took out {counted(len(gone.runs), 'run')}; `stepdown store compact` gives the space back")
    return 0


def _words(would: Removed, runs: list[ListedRun], costs: list[float | None]) -> list[str]:
    """Say what would go with some runs."""
    parts = ", ".join(f"{count:,} {what}" for what, count in would.rows.items() if count) or "nothing else"
    lines = [f"run {' '.join(cells(one))}" for one in runs[:20]]
    lines += [f"and {len(runs) - 20} more runs"] * (len(runs) > 20)
    paid = money(None if None in costs else sum(one or 0.0 for one in costs))
    kept = f"{counted(would.calls, 'answered call')} of theirs ({paid})"
    if would.calls_go:
        shared = f", but for {would.shared:,} that other runs use" if would.shared else ""
        kept = f"{kept} would go too{shared}: who asks the same pays again"
    else:
        kept = f"{kept} would stay, in the books and found again (--calls: these too)"
    needed = [f"{', '.join(would.needed_by[:5])} solve by plans or replies of these, and could not go on"]
    return [*lines, f"with them would go {parts}; {kept}", *needed * bool(would.needed_by)]


def _agreed() -> bool:
    """Ask at the terminal. Raises `UsageError` where there is none."""
    if not sys.stdin.isatty():
        raise UsageError("nobody is here to say yes", "--yes takes them out without asking; nothing was changed")
    sys.stderr.write("take them out? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


give_examples(app)
