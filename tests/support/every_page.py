"""Every address of the pages, each with examples, over a store that has something of all kinds."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from starlette.routing import Route

from cascade_runs import two_runs
from corpora import write_corpus
from run_pages import HOSTILE, put, put_run
from served import served
from stepdown.corpus import Card
from stepdown.events import Costing, RunProgress
from stepdown.measuring import ballot, drawn_places
from stepdown.models import ScriptedModel
from stepdown.runner import run
from stepdown.settings import GridSettings, RunSettings
from stepdown.store import (
    PersonMark,
    PersonVote,
    Run,
    Store,
    VoteChoice,
    label,
    put_marks,
    put_votes,
    request_review,
    tag,
)
from stepdown.training import StudyFindings
from stepdown.training.studies import CellScore
from stepdown.training.study_tables import write_study
from stepdown.types import Backoff, Chain, Grade, Plan, Problem
from stepdown.web.app import routes
from stepdown.web.jobs.run_jobs import RunJob
from stepdown.web.state import Places, State
from worlds import P1, follower, sums, teacher

LONG = "a-student-with-a-name-that-goes-on-for-longer-than-a-line-of-a-phone-holds-0.5b-instruct"
LONG_ID = "competition_math/algebra/train/intermediate/0123456789abcdef0123456789abcdef/17"
# Addresses of every page by its route: `{run}` has plans and edits, `{other}` the same problems by another student.
PAGES: dict[str, tuple[str, ...]] = {
    "/": ("/", "/?sort=tokens&words=nothing+is+like+that"),
    "/runs/{run}": ("/runs/{long}", "/runs/{run}?text=nothing+is+like+that"),
    "/runs/{run}/audit": ("/runs/{run}/audit",),
    "/runs/{run}/traces/{problem:path}": ("/runs/{run}/traces/{problem}", "/runs/{long}/traces/hostile/1"),
    "/runs/{run}/solved/{problem:path}": ("/runs/{run}/solved/{problem}?by={other}",),
    "/runs/{run}/plans/{problem:path}": ("/runs/{run}/plans/{problem}",),
    "/runs/{run}/queue": ("/runs/{run}/queue", "/runs/{right}/queue"),
    "/compare": ("/compare?run={run}&run={other}&run={long}", "/compare"),
    "/matrix": ("/matrix?run={run}&run={other}&run={right}", "/matrix?run={run}&words=nothing+is+like+that"),
    "/cascade": ("/cascade?cheap={cheap}&dear={dear}",),
    "/corpora": ("/corpora",),
    "/corpora/{name}": ("/corpora/pears?problem=2&filters=right+per-problem%3D2",),
    "/corpora/{name}/counts": ("/corpora/pears/counts?filters=right",),
    "/studies": ("/studies",),
    "/studies/{name}": ("/studies/learning", "/studies/whole"),
    "/reviews": ("/reviews",),
    "/votes": ("/votes",),
    "/votes/{run}/{other}": ("/votes/{cheap}/{dear}?where=any",),
    "/votes/{run}/{other}/differ": ("/votes/{cheap}/{dear}/differ?where=any",),
    "/marks/{run}": ("/marks/{cheap}",),
    "/marks/{run}/differ": ("/marks/{cheap}/differ",),
    "/served": ("/served",),
    "/new": ("/new",),
    "/jobs": ("/jobs",),
    "/jobs/{job}": ("/jobs/1",),
    "/login": (),  # leads to the first page where no token is asked for
}
# What is a part of a page, a picture, a file, or leads elsewhere.
PARTS = frozenset({
    "/jobs/{job}/state", "/events", "/events/rows", "/charts/{name}.svg", "/cascade.svg", "/studies/{name}/state",
    "/studies/{name}/{kind}.svg", "/studies/{name}/{file}.toml", "/runs/{run}/solving/{id}", "/pair", "/export",
    "/served/{name}.svg",
})  # fmt: skip
SCORE = CellScore(name="chain, 1 random", chains=1, by="random", target="chain", runs=("abc",), accuracies=(0.5,),
                  mean=0.5, low=0.3, high=0.7, graded=8, total=8)  # fmt: skip


def shown_routes() -> set[str]:
    """The paths of the routes that answer a GET, without /v1 and /static."""
    return {one.path for one in routes() if isinstance(one, Route) and "GET" in (one.methods or ())}


class PageWorld(msgspec.Struct, frozen=True):
    """The address of a server, and of every page there."""

    site: str
    addresses: tuple[str, ...]


@contextmanager
def every_page(folder: Path) -> Iterator[PageWorld]:
    """Serve a store with something of all kinds."""
    with Store(folder / "every.sqlite") as store:
        names = _fill(store)
    chains = (_chain(number, sample) for number in range(3) for sample in range(3))
    write_corpus(folder / "pears", chains, card=Card(dataset="made/train", licence="CC0", origin=HOSTILE))
    write_corpus(folder / LONG, [_chain(0, 0)], card=Card(dataset=LONG_ID))
    write_studies(folder / "students")

    def make() -> State:
        places = Places(students=folder / "students", corpora=(folder / "pears", folder / LONG))
        state = State(folder / "every.sqlite", places=places)
        state.jobs.keep(_job(names["run"], names["other"]))
        return state

    with served(make) as site:
        yield PageWorld(site, tuple(one.format_map(names) for found in PAGES.values() for one in found))


def _fill(store: Store) -> dict[str, str]:
    """Keep runs: with plans, by two students; all right; with hostile texts and long names; a cascade."""
    made = {name: _planned(store, student) for name, student in (("run", "openai/student"), ("other", f"hf/{LONG}"))}
    made["right"] = put_run(store, "rrr", dataset=made["run"].settings.dataset)
    made["long"] = put_run(store, "rw-" * 20, method="chain-of-thought", student=f"hf/{LONG}", dataset=LONG_ID)
    put(made["long"], (60, 0), Problem("hostile/1", HOSTILE, "4"), "wrong")
    put(made["long"], (61, 0), Problem(LONG_ID, "What is it? " * 40, LONG), "wrong")
    made["cheap"], made["dear"] = two_runs(store)
    label(made["long"], name=LONG[:80], note="a note " * 60, author="Ann")
    tag(made["long"], "paper", LONG[:40])
    _differ(made["cheap"], made["dear"])
    request_review(made["run"], Problem(LONG_ID, "Which? " * 40, "1"), Plan("1. Look.\n2. Add.", "teacher"))
    return {name: one.id for name, one in made.items()} | {"problem": P1}


def _differ(first: Run, second: Run) -> None:
    """Let two raters differ on the solutions of two runs, and on whether the first's are right."""
    said: VoteChoice
    for rater, said, mark in (("Ann", "first", "yes"), (LONG, "second", "no")):
        pairs = ballot(first, second, "any").pairs.items()
        put_votes(first, second, [PersonVote(one, rater, said, "first", texts) for one, texts in pairs])
        put_marks(first, [PersonMark(one, 0, "", rater, mark) for one in drawn_places(first)])


def _planned(store: Store, student: str) -> Run:
    return run(sums(3), "trace-of-thought", student=ScriptedModel(follower, student), teacher=teacher(), store=store)


def _chain(number: int, sample: int) -> Chain:
    grade = Grade("right" if sample else "wrong", str(number), "the last word", "last-word@1")
    return Chain(Problem(f"made/{number}", HOSTILE, str(number)), HOSTILE, LONG, sample, grade, -0.25, 12)


def write_studies(students: Path) -> None:
    """Leave a study that is whole, and one whose student is at its second step."""
    learning = students / "learning" / "chain-n1-random" / ".seed-0.training"
    learning.mkdir(parents=True)
    rows = [{"step": 1, "loss": 2.5, "tokens_per_second": 900.0}, {"step": 2, "loss": 1.25, "dev": 0.5}]
    (learning / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    write_study(StudyFindings(base="smollm2-135m", test="sums/test", scores=(SCORE,)), students / "whole")
    (students / "whole" / "study.toml").write_text(f'corpus = "{LONG}"\n')


def _job(run_id: str, other: str) -> RunJob:
    """A job of two runs, one of which waits for its endpoint."""
    settings = RunSettings(dataset="sums", grid=GridSettings(method=("trace-of-thought",), student=("openai/student",)))
    job = RunJob("1", ("run", "sums"), [_costing(run_id), _costing(other)], settings)
    backoff = Backoff(f"hf/{LONG}", "it is asked too much", 429, 2)
    job.progress[run_id] = RunProgress(run=run_id, total=3, done=2, graded=2, right=1, rate=0.5, backoff=backoff)
    return job


def _costing(run_id: str) -> Costing:
    given = {"run": run_id, "method": "trace-of-thought", "student": f"hf/{LONG}", "teacher": f"hf/{LONG}"}
    figures = dict.fromkeys(Costing.__struct_fields__, 0)
    return msgspec.convert({**figures, "tokens": {}, "constants": [], "left_out": [], "unset": [], **given}, Costing)
