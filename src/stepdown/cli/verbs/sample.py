"""`stepdown sample`: chains of a teacher, as a corpus."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from msgspec import Struct, structs

from stepdown.cli.batch_clients import batch_client_of
from stepdown.cli.console.terminal import say
from stepdown.cli.corpus_summaries import show_corpus
from stepdown.cli.estimates import show_estimates
from stepdown.cli.from_settings import verb
from stepdown.cli.grid import Players
from stepdown.cli.options import CHOICE, SETTINGS, Flag, OutputOptions
from stepdown.cli.problem_choice import load_chosen
from stepdown.cli.required_extras import check_extras
from stepdown.cli.session import Session
from stepdown.cli.stored_runs import one_run
from stepdown.cli.unused_options import given, refuse
from stepdown.cli.verbs.run import finish
from stepdown.corpus import Corpus, check_out
from stepdown.errors import UsageError
from stepdown.extras import load_polars
from stepdown.methods import WrongAttempt
from stepdown.problems import Problems
from stepdown.prompts import load_demonstrations
from stepdown.runner import Task
from stepdown.settings import (
    BatchSettings,
    ChainSampling,
    EndpointSettings,
    ProblemSettings,
    ShardSettings,
)
from stepdown.training import (
    CHAINS,
    GOLD,
    check_allowed,
    mending_task,
    refuse_tests,
    sampling_task,
    write_chains,
    write_gold,
    write_mended,
)
from stepdown.training import SAMPLING as DRAWN


@Parameter(name="*", group=CHOICE)
@dataclass(frozen=True, kw_only=True)
class ChainOptions:
    """Whose chains, and where to.

    Parameters
    ----------
    teacher
        The model that writes chains; `gold` takes the data set's own worked solutions.
    out
        The corpus to write, a folder.
    chains
        How many chains per problem (30). What the store has is not asked again: after 10, 30 asks for 20.
    demos
        Your own demonstrations: a .jsonl of `question`, `chain`, `answer`, and `choices`, `kind` where need be.
    zero_shot
        Show no demonstrations; ask for step-by-step thinking.
    prompts
        The prompt set (`default`): `default`, `paper`, `code`, `traces` or a .toml file.
    plans
        With `--teacher gold`: the data set's plans instead of its solutions.
    licence
        What the teacher's terms say about training on its text, or the data set's, kept in the corpus's card.
    mending
        A run whose wrong attempts the teacher mends, from the first wrong step on, in place of fresh chains. Its
        problems are the run's, and `--chains` corrections are drawn of each attempt (1).
    force
        Replace a corpus that is there.
    allow
        `test`: sample problems that are there to test on, which is refused otherwise.
    """

    teacher: str
    out: Path
    chains: int | None = None
    demos: Annotated[Path | None, Parameter(group=SETTINGS)] = None
    zero_shot: Annotated[Flag, Parameter(group=SETTINGS)] = False
    prompts: Annotated[str | None, Parameter(group=SETTINGS)] = None
    plans: Annotated[Flag, Parameter(group=SETTINGS)] = False
    licence: str = ""
    mending: Annotated[str, Parameter(show_default=False)] = ""
    force: Flag = False
    allow: Annotated[tuple[str, ...], Parameter(show_default=False)] = ()


DRAWS, PROBLEMS, MONEY, SHARD = ChainSampling(), ProblemSettings(), BatchSettings(), ShardSettings()
ENDPOINT, OUTPUT = EndpointSettings(), OutputOptions()


@verb
def sample(
    dataset: str = "",
    /,
    *,
    options: ChainOptions,
    draws: ChainSampling = DRAWS,
    problems: ProblemSettings = PROBLEMS,
    shard: ShardSettings = SHARD,
    spend: BatchSettings = MONEY,
    endpoint: EndpointSettings = ENDPOINT,
    output: OutputOptions = OUTPUT,
) -> int:
    """Sample chains of a teacher into a corpus.

    Parameters
    ----------
    dataset
        A data set (its `train` split unless --split says otherwise), or a .jsonl, .json, .csv or .parquet file; with
        --mending it is the run's.
    """
    part = shard.chosen
    if options.mending:
        return mend_attempts(dataset, options, (draws, problems, shard, spend, endpoint), output)
    if not dataset:
        raise UsageError("no problems are named", "name a data set or a file, or a run with --mending RUN")
    if options.teacher == GOLD:
        check_gold(options, (draws, spend, endpoint, shard), output)
    load_polars()  # A corpus is parquet: nothing is asked that could not be written.
    check_out(options.out, force=options.force)
    if options.plans and options.teacher != GOLD:
        raise UsageError(
            "--plans belongs to `--teacher gold`", "run trace-of-thought, then `stepdown export RUN --to plans`"
        )
    check_allowed(options.allow)
    chosen = load_chosen(problems, dataset, preferred="train")
    if options.teacher != GOLD:
        check_extras((options.teacher,), chosen, more=("data",))
    if options.teacher == GOLD:
        refuse_tests(chosen.dataset, chosen, allow=options.allow)
        show_corpus(_write_gold(chosen, options), as_json=output.json)
        return 0
    with output.open() as store:
        players = Players(store, endpoint, logprobs=not draws.without_logprobs, keyless=spend.estimate)
        task = sampling_task(
            chosen,
            players.load(options.teacher),
            chains=CHAINS if options.chains is None else options.chains,
            demonstrations=load_demonstrations(options.demos) if options.demos else (),
            zero_shot=options.zero_shot,
            prompts="default" if options.prompts is None else options.prompts,
            sampling=draws.over(DRAWN),
            stops=draws.stops,
        )
        task = structs.replace(task, shard=part)
        task.check()
        refuse_tests(chosen.dataset, chosen, allow=options.allow, store=store)
        client = batch_client_of(spend, [task], store)
        if spend.estimate:
            return show_estimates([task], store, spend, as_json=output.json, client=client, unset=players.unset)
        return _sample(task, Session([task], players, spend, way=client), options, as_json=output.json)


def mend_attempts(
    dataset: str,
    options: ChainOptions,
    settings: tuple[ChainSampling, ProblemSettings, ShardSettings, BatchSettings, EndpointSettings],
    output: OutputOptions,
) -> int:
    """Have the teacher mend the wrong attempts of a run. Raises `UsageError` before anything is asked."""
    draws, problems, shard, spend, endpoint = settings
    if dataset:
        raise UsageError(
            f"with --mending the problems are those of the run, so `{dataset}` has no place", "leave it out"
        )
    refuse(
        given(options, "demos", "zero_shot", "plans") + [flag for flag in given(problems) if flag != "--limit"],
        "with --mending the problems are those of the run, and its teacher is shown an attempt",
        "leave it out; `-n` takes the first problems with a wrong attempt",
    )
    if options.teacher == GOLD:
        raise UsageError("`--teacher gold` writes nothing new, so it mends nothing", "name a model as the teacher")
    load_polars()
    check_out(options.out, force=options.force)
    check_allowed(options.allow)
    with output.open() as store:
        of = one_run(store, options.mending)
        players = Players(store, endpoint, logprobs=not draws.without_logprobs, keyless=spend.estimate)
        check_extras((options.teacher,), None, more=("data",))
        task, attempts = mending_task(
            of,
            players.load(options.teacher),
            chains=1 if options.chains is None else options.chains,
            limit=problems.limit,
            prompts="default" if options.prompts is None else options.prompts,
            sampling=draws.over(DRAWN),
            stops=draws.stops,
        )
        task = structs.replace(task, shard=shard.chosen)
        task.check()
        refuse_tests(of.settings.dataset, task.problems, allow=options.allow, store=store)
        client = batch_client_of(spend, [task], store)
        if spend.estimate:
            return show_estimates([task], store, spend, as_json=output.json, client=client, unset=players.unset)
        session = Session([task], players, spend, way=client)
        return _sample(task, session, options, as_json=output.json, attempts=attempts)


def check_gold(options: ChainOptions, settings: Sequence[Struct], output: OutputOptions) -> None:
    """Refuse what was given and means nothing where no model is asked. Raises `UsageError`."""
    unused = given(options, "chains", "demos", "zero_shot", "prompts")
    unused += [flag for group in settings for flag in given(group)]
    refuse(
        unused + given(output, "store"),
        "with `--teacher gold` no model is asked",
        "leave it out, or name a model as the teacher; `-n` chooses how many problems",
    )


def _write_gold(chosen: Problems, options: ChainOptions) -> Corpus:
    return write_gold(chosen, options.out, plans=options.plans, force=options.force, licence=options.licence)


def _sample(
    task: Task,
    session: Session,
    options: ChainOptions,
    *,
    as_json: bool,
    attempts: tuple[WrongAttempt, ...] = (),
) -> int:
    session.work()
    if session.stopped is not None:
        say("no corpus is written yet; the same command goes on from here")
        return finish(session, as_json=as_json)
    run = session.store.run(session.results[0].run)
    if attempts:
        corpus = write_mended(
            run, attempts, options.out, force=options.force, licence=options.licence, shard=task.shard
        )
    else:
        shown = load_demonstrations(options.demos) if options.demos else ()
        corpus = write_chains(
            run, options.out, force=options.force, licence=options.licence, demonstrations=shown, shard=task.shard
        )
    show_corpus(corpus, as_json=as_json, run=session.results[0])
    return session.exit_code
