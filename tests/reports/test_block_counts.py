"""Summaries are what a count of the rows gives, whatever was done to a run, and by whom."""

import random
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from stepdown.models import Prices
from stepdown.reports.block_counts import count_blocks
from stepdown.reports.counts import count_traces
from stepdown.store import Run, Store, StoredCall, StoredTrace, call_key, correct
from stepdown.store.derived import carry_over
from stepdown.types import GREEDY, Call, Grade, Message, Plan, Problem, Reply, Settings, Trace, Usage

# Two of one block, the last of it, the first of the next, and one far behind.
ORDINALS = (0, 1, 511, 512, 70_000)
GRADERS = ("default@2", "judge:m")
PLANS = (None, Plan("1. Add.\n2. Stop.", "big"), Plan("1. Add.", "ann", "1. Add.\n2. Stop."), Plan("", ""))
USAGES = (None, Usage(5, 3), Usage(7, 2, 1, 4), Usage(-1, 3), Usage(1 << 40, 1))
FIRST = Settings(dataset="sums/test", problems="p", count=9, method="direct", student="openai/gpt-4o")
DERIVED = msgspec.structs.replace(FIRST, plans=f"edited/{FIRST.id}")
SEVERAL = msgspec.structs.replace(FIRST, samples=3)


def trace(chance: random.Random, sample: int) -> Trace:
    number = chance.randrange(9)
    # Some ids stand for two questions, and some questions have two ids.
    problem = Problem(f"sums/test/{min(number, 7)}", f"What is {max(number, 1)} plus one?", "1")
    calls = tuple(call(chance, role, sample) for role in chance.sample(["teacher", "student", "student"], 2))
    failed = chance.random() < 0.2
    text = None if failed else chance.choice(["Answer: 1", "Answer: 2", "none", calls[-1].reply.text])
    return Trace(problem, "direct", chance.choice(PLANS), calls, text, "no" if failed else None, sample)


def call(chance: random.Random, role: Any, sample: int) -> Call:
    model = chance.choice(["openai/gpt-4o", "ollama/small", "nobody/knows"])
    finish: Any = chance.choice(["stop", "stop", "length"])
    reply = Reply(f"Answer: {chance.randrange(3)}", model, chance.choice(USAGES), finish, chance.random())
    asked = (Message("user", str(chance.random())),)
    return Call(role, model, asked, GREEDY, msgspec.structs.replace(reply, cached=chance.random() < 0.1), sample)


def graded(chance: random.Random, run: Run) -> list[tuple[StoredTrace, Grade]]:
    found = []
    for ordinal in chance.sample(ORDINALS, chance.randrange(2, 5)):
        for sample in range(chance.randrange(1, run.settings.samples + 1)):
            one = trace(chance, sample)
            keys = tuple(call_key(c.model, "", c.messages, c.sampling, c.sample) for c in one.calls)
            pairs = zip(keys, one.calls, strict=True)
            run.store.put_calls([StoredCall(k, c.model, "", c.messages, GREEDY, 0, c.reply, run.id) for k, c in pairs])
            found.append((StoredTrace(ordinal, one, keys), grade(chance)))
    return found


def grade(chance: random.Random) -> Grade:
    found = chance.choice([None, "1", "2", "2.0"])
    return Grade(chance.choice(["right", "wrong", "ungraded"]), found, "so", chance.choice(GRADERS))


def write(chance: random.Random, run: Run) -> None:
    run.put_graded(graded(chance, run))
    run.grader = chance.choice(GRADERS)


def regrade(chance: random.Random, run: Run) -> None:
    places = [(ordinal, one.sample) for ordinal, one, _ in run.rows() if chance.random() < 0.5]
    run.put_grades((*place, grade(chance)) for place in places)


def rule(chance: random.Random, run: Run) -> None:
    place = run.store.db.execute(
        "select ordinal, sample from grades where run = ? and grader = ?", (run.id, run.grader)
    ).fetchone()
    if place:
        correct(run, place, verdict=chance.choice(["right", "wrong"]), author="ann")


def solve_again(chance: random.Random, run: Run) -> None:
    carry_over(run.store.open_run(FIRST), DERIVED)


def delete(chance: random.Random, run: Run) -> None:
    table = chance.choice(["traces", "grades"])
    run.store.db.execute(f"delete from {table} where run = ? and ordinal = ?", (run.id, chance.choice(ORDINALS)))


def merge(chance: random.Random, run: Run) -> None:
    """Write as a merge of stores does, and as an older version of this program would: by SQL alone."""
    how, other = chance.choice(["ignore", "replace"]), run.store.open_run(FIRST).id
    for table in ("traces", "grades"):
        names = [name for _, name, *_ in run.store.db.execute(f"pragma table_info({table})") if name != "run"]
        named = ", ".join(names)
        run.store.db.execute(
            f"insert or {how} into {table} (run, {named}) select ?, {named} from {table} where run = ?", (run.id, other)
        )


def update(chance: random.Random, run: Run) -> None:
    run.store.db.execute(
        "update or ignore grades set ordinal = ?, verdict = 'right' where run = ?", (chance.choice(ORDINALS), run.id)
    )


STEPS: tuple[Callable[[random.Random, Run], None], ...] = (
    write, write, regrade, rule, solve_again, delete, merge, update,
)  # fmt: skip


def counted(run: Run, count: Callable[..., Any], grader: str, before: Any) -> dict[str, Any]:
    found = count(run, Prices(), grader=grader, before=before, keep=True)
    return {name: value for name, value in vars(found).items() if name != "lessons"}


def check_run(run: Run, before: dict[int, Any]) -> None:
    summary = run.summary()
    assert run.tally() == (summary.total, summary.right, summary.graded - summary.right)
    for grader in ("", *run.graders()):
        assert counted(run, count_blocks, grader, before) == counted(run, count_traces, grader, before)


@pytest.mark.slow
@given(seed=some.integers(0, 1 << 16), steps=some.lists(some.sampled_from(STEPS), min_size=5, max_size=9))
@settings(max_examples=25, deadline=None)
def test_after_any_history_summaries_are_a_recount(seed: int, steps: list[Any]) -> None:
    chance = random.Random(seed)
    with TemporaryDirectory() as folder, Store(Path(folder, "s.sqlite")) as store:
        for one in (write, *steps):
            one(chance, store.open_run(chance.choice([FIRST, SEVERAL])))
            before = counted(store.open_run(FIRST), count_traces, "", {})["by_problem"]
            for run in store.runs():
                check_run(run, before)
                run.refresh() if chance.random() < 0.7 else None
