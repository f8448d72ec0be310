"""`stepdown prefer`: whose solutions read better, to a judge model or to people."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from stepdown.cli.console.terminal import say, show, show_json
from stepdown.cli.from_settings import verb
from stepdown.cli.grid import Players
from stepdown.cli.judge_costs import Judging, refuse_unused
from stepdown.cli.options import CHOICE, Flag, Limit, OutputOptions, RunName
from stepdown.cli.stored_runs import one_run
from stepdown.cli.unused_options import given, refuse
from stepdown.corpus import check_out
from stepdown.errors import UsageError
from stepdown.measuring import (
    AT_ONCE,
    Preferences,
    Where,
    keep_votes,
    kept_preferences,
    read_votes,
    save_votes,
    votes_in,
    write_votes,
)
from stepdown.measuring import prefer as ask
from stepdown.runner import contamination_warnings
from stepdown.settings import BudgetSettings, EndpointSettings
from stepdown.store import Run, Store
from stepdown.text import counted
from stepdown.training import check_allowed, refuse_tests, write_preferences


@Parameter(name="*", group=CHOICE)
@dataclass(frozen=True, kw_only=True)
class PreferOptions:
    """Who compares, and what; without a judge or a file, the people whose votes are in the store.

    Parameters
    ----------
    judge
        The model that is shown each pair in both orders.
    out
        Also write the pairs with a verdict as a corpus, for `train --objective dpo`.
    to
        Write a blind task for people to this .jsonl or .html file instead.
    votes
        Count the votes of filled task files instead.
    keep
        Keep the votes of these files in the store, and count all that are there.
    save
        Also write the votes that are in the store to this .jsonl file, which --votes reads.
    where
        Compare problems that both runs have right, or any that both solved.
    limit
        Compare this many problems, drawn at random.
    seed
        The seed of that draw, and of who stands on the left of a task for people.
    force
        Replace a file or a corpus that is there.
    allow
        Write the corpus although: `test`: its questions are there to test on.
    """

    judge: str | None = None
    out: Path | None = None
    to: Path | None = None
    votes: Annotated[tuple[Path, ...], Parameter(show_default=False)] = ()
    keep: Flag = False
    save: Path | None = None
    where: Where = "both-right"
    limit: Limit = 100
    seed: int = 0
    force: Flag = False
    allow: Annotated[tuple[str, ...], Parameter(show_default=False)] = ()


DEFAULTS, MONEY, ENDPOINT, OUTPUT = PreferOptions(), BudgetSettings(), EndpointSettings(), OutputOptions()


class Written(msgspec.Struct, frozen=True):
    """What `prefer --to FILE --json` says."""

    runs: tuple[str, str]
    file: str
    items: int


@verb
def prefer(
    run: RunName,
    against: str,
    /,
    *,
    options: PreferOptions = DEFAULTS,
    spend: BudgetSettings = MONEY,
    endpoint: EndpointSettings = ENDPOINT,
    output: OutputOptions = OUTPUT,
) -> int:
    """Compare two runs' solutions in pairs.

    Parameters
    ----------
    against
        The other run's.
    """
    check(options, spend, endpoint)
    with opened(options, output) as store:
        first, second = one_run(store, run), one_run(store, against)
        say(*contamination_warnings((first, second)))
        if options.to is not None:
            return write(first, second, options.to, options, as_json=output.json)
        check_corpus(first, options, store)
        judging = Judging(options.judge or "", spend, first, second)
        if options.judge is None:
            preferences = voted(first, second, options)
        else:
            preferences = judged((first, second), judging, options, Players(store, endpoint))
        if options.out is not None:
            corpus = write_preferences(first, second, preferences, options.out, force=options.force)
            say(f"wrote {counted(corpus.card.problems, 'pair')} to {options.out}; "
                f"next: `stepdown train {options.out} --objective dpo --base M --out DIR`")  # fmt: skip
    if output.json:
        show_json(preferences.to_json() | msgspec.to_builtins(judging.spent))
    else:
        show(str(preferences))
    return int(preferences.unjudged > 0)


def check(options: PreferOptions, spend: BudgetSettings, endpoint: EndpointSettings) -> None:
    """Refuse options that contradict each other or would do nothing. Raises `UsageError`."""
    if (options.judge is not None) + (options.to is not None) + bool(options.votes) > 1:
        raise UsageError(
            "give at most one way to compare",
            "--judge MODEL, --to FILE or --votes FILE, or none: the votes that are kept count",
        )
    if options.judge is None:
        refuse_unused(spend, endpoint, "--judge MODEL")
    if options.to is None and options.out is None and options.save is None:
        refuse(given(options, "force"), "nothing is written", "give --to FILE or --out CORPUS, or leave it out")
    if options.judge is None and options.to is None:
        refuse(given(options, "where", "limit", "seed"), "the votes say what is compared", "leave it out")
    if not options.votes:
        refuse(given(options, "keep"), "there are no files of votes", "give --votes FILE, or leave it out")
    if options.judge is not None or options.to is not None or (options.votes and not options.keep):
        refuse(given(options, "save"), "the votes in the store are not counted", "leave it out, or give --keep")
    if options.out is None:
        refuse(given(options, "allow"), "no corpus is written", "give --out CORPUS, or leave it out")
    elif options.to is not None:
        raise UsageError("there are no votes yet, so `--out` would have no effect", "give --out when people have voted")


def opened(options: PreferOptions, output: OutputOptions) -> AbstractContextManager[Store]:
    """Return the store, opened to write it only where something is kept."""
    return output.reopen() if options.judge is not None or options.keep else output.read()


def voted(first: Run, second: Run, options: PreferOptions) -> Preferences:
    """Count people's votes: of files, or those in the store."""
    if options.votes and not options.keep:
        return read_votes(first, second, *options.votes)
    if options.keep:
        count = keep_votes(first, second, votes_in(first, second, *options.votes))
        say(f"kept {counted(count, 'vote')}")
    if options.save is not None:
        count = save_votes(first, second, options.save, force=options.force)
        say(f"wrote {counted(count, 'vote')} to {options.save}")
    return kept_preferences(first, second)


def check_corpus(run: Run, options: PreferOptions, store: Store) -> None:
    """Refuse, before a judge is asked, a corpus that could not be written or that nothing may be trained on."""
    if options.out is None:
        return
    check_allowed(options.allow)
    check_out(options.out, force=options.force)
    problems = (trace.problem for trace in run.traces())
    refuse_tests(run.settings.dataset, problems, allow=options.allow, store=store)


def write(first: Run, second: Run, file: Path, options: PreferOptions, *, as_json: bool) -> int:
    """Write a task for people and say where."""
    items = write_votes(
        first, second, file, where=options.where, limit=options.limit, seed=options.seed, force=options.force
    )
    if as_json:
        show_json(Written((first.id, second.id), str(file), items))
    else:
        say(f"wrote {counted(items, 'item')} to {file}; count votes with `stepdown prefer ... --votes FILE`")
    return 0


def judged(runs: tuple[Run, Run], judging: Judging, options: PreferOptions, players: Players) -> Preferences:
    """Ask a judge model; what it answered is kept whatever happens."""
    judge = players.load(judging.judge)
    players.fetch()
    with judging.budgeted() as budget:
        return ask(
            *runs,
            judge=judge,
            where=options.where,
            limit=options.limit,
            seed=options.seed,
            progress=follow,
            judging=budget,
        )


def follow(done: int, total: int) -> None:
    """Say how far the judge is, where it takes more than one round."""
    if total > AT_ONCE:
        say(f"{done}/{total} pairs")
