"""`stepdown sample`: chains of a teacher, as a corpus."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from stepdown.cli.corpora import show_corpus
from stepdown.cli.grid import Players
from stepdown.cli.options import (
    CHOICE,
    SAMPLING,
    SETTINGS,
    EndpointOptions,
    Flag,
    MoneyOptions,
    OutputOptions,
    ProblemOptions,
    checked,
)
from stepdown.cli.run import finish, show_estimates
from stepdown.cli.session import Session
from stepdown.cli.terminal import say
from stepdown.corpus.files import check_out
from stepdown.distill.sampling import GOLD, sampling_task, write_chains, write_gold
from stepdown.errors import UsageError
from stepdown.problems.rows import load_polars
from stepdown.prompts.demonstrations import load_demonstrations
from stepdown.runner import Task
from stepdown.types import Sampling


@Parameter(name="*", group=CHOICE)
@dataclass(frozen=True, kw_only=True)
class SampleOptions:
    """Whose chains, and where to.

    Parameters
    ----------
    teacher
        The model that writes chains; `gold` takes the data set's own worked solutions.
    out
        The corpus to write, a folder.
    chains
        How many chains per problem. What the store has is not asked again: after 10, 30 asks for 20.
    demos
        Your own demonstrations: a .jsonl of `question`, `chain`, `answer`, and `choices`, `kind` where need be.
    zero_shot
        Show no demonstrations; ask for step-by-step thinking.
    prompts
        The prompt set: `default`, `paper`, `code`, `traces` or a .toml file.
    plans
        With `--teacher gold`: the data set's plans instead of its solutions.
    licence
        What the teacher's terms say about training on its text, kept in the corpus's card.
    force
        Replace a corpus that is there.
    """

    teacher: str
    out: Path
    chains: int = 30
    demos: Annotated[Path | None, Parameter(group=SETTINGS)] = None
    zero_shot: Annotated[Flag, Parameter(group=SETTINGS)] = False
    prompts: Annotated[str, Parameter(group=SETTINGS)] = "default"
    plans: Annotated[Flag, Parameter(group=SETTINGS)] = False
    licence: str = ""
    force: Flag = False


@Parameter(name="*", group=SAMPLING)
@dataclass(frozen=True, kw_only=True)
class DrawOptions:
    """How chains are drawn.

    Parameters
    ----------
    temperature
        The teacher's temperature; SCoTD's was 1.
    top_p
        Draw from the likeliest tokens that make up this share.
    max_tokens
        The longest chain, in tokens.
    seed
        The seed of draws, where the endpoint takes one.
    without_logprobs
        Do not ask an endpoint for log-probabilities, where it refuses them; `per-problem=K:likely` needs them.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    max_tokens: int = 512
    seed: int | None = None
    without_logprobs: Flag = False

    def sampling(self) -> Sampling:
        """Return how chains are drawn."""
        return checked(Sampling(self.temperature, self.top_p, self.max_tokens, self.seed))


DRAWS, PROBLEMS, MONEY = DrawOptions(), ProblemOptions(), MoneyOptions()
ENDPOINT, OUTPUT = EndpointOptions(), OutputOptions()


def sample(
    dataset: str,
    /,
    *,
    options: SampleOptions,
    draws: DrawOptions = DRAWS,
    problems: ProblemOptions = PROBLEMS,
    spend: MoneyOptions = MONEY,
    endpoint: EndpointOptions = ENDPOINT,
    output: OutputOptions = OUTPUT,
) -> int:
    """Sample chains of a teacher into a corpus.

    Parameters
    ----------
    dataset
        A data set (its `train` split unless --split says otherwise), or a .jsonl, .json, .csv or .parquet file.
    """
    load_polars()  # A corpus is parquet: nothing is asked that could not be written.
    check_out(options.out, force=options.force)
    if options.plans and options.teacher != GOLD:
        raise UsageError(
            "only gold plans can be had without a run", "run trace-of-thought, then `stepdown export RUN --to plans`"
        )
    chosen = problems.load(dataset, preferred="train")
    if options.teacher == GOLD:
        show_corpus(write_gold(chosen, options.out, plans=options.plans, force=options.force), as_json=output.json)
        return 0
    with output.open() as store:
        players = Players(store, endpoint, logprobs=not draws.without_logprobs)
        task = sampling_task(
            chosen,
            players.load(options.teacher),
            chains=options.chains,
            demonstrations=load_demonstrations(options.demos) if options.demos else (),
            zero_shot=options.zero_shot,
            prompts=options.prompts,
            sampling=draws.sampling(),
        )
        task.check()
        if spend.estimate:
            return show_estimates([task], store, spend, as_json=output.json)
        return _sample(task, Session([task], players, spend), options, as_json=output.json)


def _sample(task: Task, session: Session, options: SampleOptions, *, as_json: bool) -> int:
    session.work()
    if session.stopped is not None:
        say("no corpus is written yet; the same command goes on from here")
        return finish(session, as_json=as_json)
    run = session.store.run(session.results[0].run)
    corpus = write_chains(run, options.out, force=options.force, licence=options.licence)
    show_corpus(corpus, as_json=as_json, run=session.results[0])
    return session.exit_code
