"""`stepdown store`: looking a store over, copying it while it is open, joining several, and making it smaller."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from stepdown.audits import keep_audits
from stepdown.cli.console.passes import telling
from stepdown.cli.console.terminal import say, show, show_json
from stepdown.cli.corpus_summaries import show_corpus
from stepdown.cli.options import Flag, Json, OutputOptions
from stepdown.cli.overview import example_of, give_examples
from stepdown.cli.unused_options import refuse
from stepdown.corpus import merge_corpora
from stepdown.errors import StoreError, UsageError
from stepdown.store import Store, maintenance, merging
from stepdown.text import counted

app = App(
    name="store",
    help="Check a store, copy it while it is open, join several, or make it smaller.",
    default_parameter=Parameter(negative=()),
    help_format="plaintext",
    version_flags=(),
    help_epilogue=example_of("store"),
)
OUTPUT = OutputOptions()


@app.default
def store(*, output: OutputOptions = OUTPUT) -> int:
    """Say what the store holds, without a look at every row."""
    summary = maintenance.summarize_store(output.there())
    if output.json:
        show_json(summary)
    else:
        show(f"{summary.store}: {_rows(summary.rows)}; {summary.bytes / 1e6:,.1f} MB, schema {summary.schema}")
    return 0


@app.command
def check(*, output: OutputOptions = OUTPUT) -> int:
    """Look through every page and row of the store; 0 if all is sound, else 5."""
    faults = maintenance.check(output.there())
    if faults.sound:
        _keep_audits(output.there())
    if output.json:
        show_json(faults)
    else:
        show(
            f"{faults.store}: {_rows(faults.rows) or 'it cannot be opened'}", *(f"  {fault}" for fault in faults.faults)
        )
        if made := _summaries(faults.summaries):
            show(f"  {made}")
        say("it is sound" if faults.sound else "it is damaged; `stepdown store copy NEW` saves what can be read")
    return 0 if faults.sound else StoreError.exit_code


@app.command
def copy(out: Path, /, *, force: Flag = False, output: OutputOptions = OUTPUT) -> int:
    """Copy the store to a file, also while others write it; of a damaged one, what can be read.

    Parameters
    ----------
    out
        The file to write.
    force
        Replace that file.
    """
    made = maintenance.copy(output.there(), out, force=force)
    if output.json:
        show_json(made)
        return 0
    say(f"copied {made.store} to {made.out}: {_rows(made.rows)}")
    if made.damaged:
        say(f"{made.store} is damaged: the copy has the rows that could be read, and is sound; "
            f"not whole, and left behind: {counted(made.lost, 'row')}")  # fmt: skip
    return 0


@app.command(help="Drop what nothing names, and give its space back; what was paid for stays.")
def compact(*, dry_run: Flag = False, output: OutputOptions = OUTPUT) -> int:
    """Drop what nothing names, and give its space back; answered calls stay, for what was paid is not paid again.

    Parameters
    ----------
    dry_run
        Only say what would be dropped.
    """
    saved = maintenance.compact(output.there(), dry=dry_run)
    if output.json:
        show_json(saved)
        return 0
    say(f"{'would drop' if dry_run else 'dropped'} {_rows(saved.dropped)}")
    if saved.after is not None:
        say(f"{saved.store}: {saved.before / 1e6:,.1f} MB before, {saved.after / 1e6:,.1f} MB now")
    return 0


@app.command(help="Join stores into one, or the corpora of all shards; of a store, what it has already stays.")
def merge(
    stores: Annotated[tuple[Path, ...], Parameter(negative=())],
    /,
    *,
    into: Path,
    separate: Flag = False,
    force: Flag = False,
    dry_run: Flag = False,
    json: Json = False,
) -> int:
    """Join stores into one, or the corpora of all shards; they are only read, and a merge that is ended leaves nothing.

    Parameters
    ----------
    stores
        The stores to join; or the folders that `sample --shard` or `keep --shard` wrote.
    into
        The store they go into, made now if it is not there; or the corpus to write.
    separate
        Join what looks like shards of one run that were made by other settings as runs of their own.
    force
        Replace a corpus that is there.
    dry_run
        Only say what would come of it.
    """
    folders = [path for path in stores if path.is_dir()]
    if folders:
        if len(folders) < len(stores):
            raise UsageError(f"`{folders[0]}` is a folder and others are files", "join stores, or corpora")
        unused = [flag for flag, given in (("--separate", separate), ("--dry-run", dry_run)) if given]
        refuse(unused, "corpora are joined", "leave it out")
        show_corpus(merge_corpora(folders, into, force=force, progress=telling("merge")), as_json=json)
        return 0
    refuse(["--force"] * force, "a store that is there is joined into", "leave it out")
    found = merging.merge(stores, into, separate=separate, dry=dry_run, progress=telling("merge"))
    if not dry_run:
        _keep_audits(into)
    if json:
        show_json(found)
    else:
        _show_merge(found)
    return 0


def _keep_audits(path: Path) -> None:
    """Keep what audits of a store's runs will find."""
    with Store(path, reading=True) as store:
        runs = [run.id for run in store.runs()]
    keep_audits(path, runs, progress=telling("leaks and faults", "traces"))


def _show_merge(found: merging.MergeResult) -> None:
    would = "would bring" if found.dry_run else "brought"
    for one in found.stores:
        twice = f"; {counted(one.paid_twice, 'call')} paid for elsewhere too" if one.paid_twice else ""
        show(f"{one.store} {would} {_rows(one.added, show_all=False) or 'nothing new'}{twice}")
    show(f"{found.into}: {_rows(found.rows)}")
    for run in found.runs:
        short = f", without {', '.join(run.missing[:10])}" if run.missing else ""
        show(f"run {run.run}: {run.shards} of {run.of} shards{short}; {run.problems} of {run.total} problems")
    for conflict in found.conflicts:
        what = f"run {conflict.run}" + (f", problem {conflict.problem}" if conflict.problem else "")
        say(f"{conflict.store}: {what}: {conflict.what}; what was there first stays")
    if found.conflicting > len(found.conflicts):
        say(f"and {found.conflicting - len(found.conflicts)} more conflicts")


def _rows(counts: dict[str, int], *, show_all: bool = True) -> str:
    return ", ".join(f"{count} {table}" for table, count in counts.items() if count or show_all)


def _summaries(counts: dict[str, int]) -> str:
    """Return what was done to summaries, for whoever waits for reports; nothing where all were as they must be."""
    texts = {"made": "missing summaries are made", "mended": "wrong summaries are mended"}
    return ", ".join(f"{counts[name]:,} {words}" for name, words in texts.items() if counts.get(name))


give_examples(app)
