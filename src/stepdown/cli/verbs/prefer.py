"""`stepdown prefer`: whose solutions read better, to a judge model or to people."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from stepdown.cli.console.terminal import say, show, show_json
from stepdown.cli.from_settings import verb
from stepdown.cli.grid import Players
from stepdown.cli.judge_costs import Judging, refuse_unused
from stepdown.cli.options import CHOICE, Flag, Limit, OutputOptions
from stepdown.cli.stored_runs import one_run
from stepdown.cli.unused_options import given, refuse
from stepdown.corpus import check_out
from stepdown.errors import UsageError
from stepdown.measuring import AT_ONCE, Preferences, Where, read_votes, write_votes
from stepdown.measuring import prefer as ask
from stepdown.runner import contamination_warnings
from stepdown.settings import BudgetSettings, EndpointSettings
from stepdown.store import Run, Store
from stepdown.text import counted
from stepdown.training import check_allowed, refuse_tests, write_preferences


@Parameter(name="*", group=CHOICE)
@dataclass(frozen=True, kw_only=True)
class PreferOptions:
    """Who compares, and what.

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
    where
        Compare problems that both runs have right, or any that both solved.
    limit
        Compare this many problems, drawn at random.
    seed
        The seed of that draw, and of who stands on the left of a task for people.
    force
        Replace a task file or a corpus that is there.
    allow
        Write the corpus although: `test`: its questions are there to test on.
    """

    judge: str | None = None
    out: Path | None = None
    to: Path | None = None
    votes: Annotated[tuple[Path, ...], Parameter(show_default=False)] = ()
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
    run: str,
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
    run
        A run: its name, its id or the beginning of it, or what stands for one (`@last`, `@TAG`, a data set).
    against
        The other run's.
    """
    if (options.judge is not None) + (options.to is not None) + bool(options.votes) != 1:
        raise UsageError("give exactly one way to compare", "--judge MODEL, --to FILE or --votes FILE")
    if options.judge is None:
        refuse_unused(spend, endpoint, "--judge MODEL")
    if options.to is None and options.out is None:
        refuse(given(options, "force"), "nothing is written", "give --to FILE or --out CORPUS, or leave it out")
    if options.votes:
        refuse(given(options, "where", "limit", "seed"), "the files of votes say what is compared", "leave it out")
    if options.out is None:
        refuse(given(options, "allow"), "no corpus is written", "give --out CORPUS, or leave it out")
    with output.reopen() if options.judge is not None else output.read() as store:
        first, second = one_run(store, run), one_run(store, against)
        say(*contamination_warnings((first, second)))
        if options.to is not None:
            refuse(given(options, "out"), "there are no votes yet", "give --out with --votes, when they have")
            return write(first, second, options.to, options, as_json=output.json)
        check_corpus(first, options, store)
        judging = Judging(options.judge or "", spend, first, second)
        if options.judge is None:
            preferences = read_votes(first, second, *options.votes)
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
