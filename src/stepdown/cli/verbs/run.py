"""`stepdown run`: solve and grade a data set, one setting or a grid of them."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter
from msgspec import structs

from stepdown.cli.batch_clients import batch_client_of
from stepdown.cli.console.review_prompt import ReviewPrompt
from stepdown.cli.console.terminal import report, say, show, show_json
from stepdown.cli.estimates import show_estimates
from stepdown.cli.from_settings import verb
from stepdown.cli.grid import Players, tasks_of
from stepdown.cli.options import SETTINGS, RunOutputOptions
from stepdown.cli.part_news import PartOrder
from stepdown.cli.parts import cut
from stepdown.cli.problem_choice import load_chosen
from stepdown.cli.run_summaries import show_results
from stepdown.cli.session import Session
from stepdown.cli.study_file import cited_study
from stepdown.cli.tracked import Track, track_results
from stepdown.cli.until_decided import until_of
from stepdown.cli.unused_options import refuse
from stepdown.cli.work_options import Jobs
from stepdown.errors import blaming
from stepdown.settings import (
    BatchSettings,
    EndpointSettings,
    GridSettings,
    ProblemSettings,
    RunSampling,
    StoppingSettings,
)
from stepdown.text import counted
from stepdown.tracking import open_tracking

Review = Annotated[bool, Parameter(show_default=False, group=SETTINGS)]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class RunWork:
    """How a command works.

    Parameters
    ----------
    review
        Hold each plan for you before the student sees it, here and in the browser (`stepdown serve`).
    jobs
        Send, grade and store in this many processes, which share the calls in flight (docs/fleet.md).
    track
        Tell a tracker of each run's settings, results and problems: `trackio` (the usual), `mlflow` or `wandb`
        (docs/integrations.md).
    """

    review: Review = False
    jobs: Jobs = 1
    track: Track = None


GRID = GridSettings()
PROBLEMS, SAMPLING, MONEY, SHARD = ProblemSettings(), RunSampling(), BatchSettings(), StoppingSettings()
ENDPOINT, OUTPUT, WORKING = EndpointSettings(), RunOutputOptions(), RunWork()


@verb
def run(
    dataset: str,
    /,
    *,
    grid: GridSettings = GRID,
    problems: ProblemSettings = PROBLEMS,
    shard: StoppingSettings = SHARD,
    sampling: RunSampling = SAMPLING,
    spend: BatchSettings = MONEY,
    endpoint: EndpointSettings = ENDPOINT,
    output: RunOutputOptions = OUTPUT,
    work: RunWork = WORKING,
) -> int:
    """Solve and grade a data set.

    Parameters
    ----------
    dataset
        A data set (`stepdown datasets` lists them), a .jsonl, .json, .csv or .parquet file, or a study file: a .toml
        with `dataset` and any of the options below by their names; options on the command line go before the file's.
        Or a task file of lm-evaluation-harness, such as gsm8k.yaml (docs/exchange.md).
    """
    if work.review and work.jobs > 1:
        refuse(["--jobs"], "a person decides on one plan after another", "leave it out")
    if spend.estimate and work.jobs > 1:
        refuse(["--jobs"], "an estimate is of one process that sends, grades and stores", "leave it out")
    if spend.batch and (work.review or work.jobs > 1):
        refuse(["--batch"], "it sends all at once and waits", "leave --review and --jobs out")
    part = shard.chosen
    with blaming("DATASET"):
        chosen = load_chosen(problems, dataset)
    with output.open() as store:
        players = Players(store, endpoint, keyless=spend.estimate)
        tasks = [structs.replace(task, shard=part) for task in tasks_of(chosen, grid, sampling, players)]
        reviewer = ReviewPrompt(store) if work.review else None
        held = reviewer.reviewed(tasks) if reviewer else tasks
        client = batch_client_of(spend, tasks, store)
        until = until_of(shard, tasks, alone=part is None and not work.review and work.jobs == 1 and client is None)
        if spend.estimate:
            ids = [store.id_of(task.settings()) for task in held]
            return show_estimates(
                tasks, store, spend, as_json=output.json, runs=ids, client=client, unset=players.unset
            )
        order = PartOrder(
            store=store.path, dataset=dataset, problems=problems, grid=grid, sampling=sampling, shard=part,
            money=spend, endpoint=endpoint, known=chosen.known,
        )  # fmt: skip
        parts = cut(order, work.jobs, players) if work.jobs > 1 else None
        labels = structs.replace(output.labels(store), studies=cited_study())
        # No two of them go together: that is refused above.
        session = Session(held, players, spend, way=reviewer or parts or client or until, labels=labels)
        tracking = open_tracking(work.track, say)
        session.work()
        track_results(tracking, session.results, store)
        return finish(session, as_json=output.json)


def finish(session: Session, *, as_json: bool) -> int:
    """Say what became of a session's runs and return the exit code."""
    if as_json:
        for result in session.results:
            show_json(result)
    elif session.results:
        show_results(session.results)
        show(*session.decisions)
        graded = [result.run for result in session.results if result.graded]
        if graded:
            # Another baseline than the one that decided would be compared as if nobody had looked before the end.
            base = next((one.baseline for result in session.results for one in result.comparisons), "")
            ids = " ".join(graded) + f" --baseline {base}" * bool(base)
            say("", f"next: `stepdown report {ids}`, `stepdown traces {graded[-1]} --where wrong -n 3`")
        if shard := session.tasks[0].shard:
            say(f"this is shard {shard}: `stepdown store merge STORES --into STORE` joins it with the others")
    left = len(session.tasks) - len(session.results)
    if session.stopped is not None:
        say(*([f"{left} of {counted(len(session.tasks), 'run')} not begun"] if left else []))
        report(session.stopped, as_json=as_json)
    elif session.exit_code:
        short = [result for result in session.results if result.graded < result.total]
        ungraded = sum(result.total - result.graded for result in short)
        remedy = f"`stepdown traces {short[0].run} --where ungraded` says why, and the same command tries them again"
        say(f"ungraded: {counted(ungraded, 'problem')}; {remedy}")
    return session.exit_code
