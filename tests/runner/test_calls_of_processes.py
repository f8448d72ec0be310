"""Processes on one store ask each call once, take over from the dead, and spend one budget."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from stepdown.errors import BudgetReached, CallFailed
from stepdown.models import ScriptedModel
from stepdown.runner import Budget, Calls, Request, Task, run_task
from stepdown.store import Run, Store, StoredTrace
from stepdown.store.call_claims import LEASE, Claim, Claims
from stepdown.store.owners import Owner, lives
from stepdown.types import GREEDY, Grade, Message, Messages, Model, Reply, Sampling, Trace, Usage
from worlds import DIRECT, Cents, LastWord, student, sums

PROMPT = (Message("user", "What is 2 plus one?"),)
BOUND = Usage(10, 100)


def claim(store: Store, key: bytes = b"k" * 16, run: str = "run", bound: Usage = BOUND) -> tuple[Claims, set[bytes]]:
    claims = Claims(store)
    with store.writing():
        return claims, claims.take([Claim(key, run, "m")], bound)


def die(store: Store) -> None:
    """Let every claim belong to a process of this machine that is gone."""
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    with store.writing() as db:
        owner = Owner().name.split(" ")
        db.execute("update claims set owner = ?", (" ".join([owner[0], gone.stdout.strip(), *owner[2:]]),))


async def ask(calls: Calls, model: Model) -> str:
    _, call = await calls.ask(Request("student", model, PROMPT, GREEDY, run="run"))
    return call.reply.text


async def closed(calls: Calls, model: Model) -> str:
    try:
        return await ask(calls, model)
    finally:
        await calls.close()


class Gate(ScriptedModel):
    """A model that answers, or fails, once it is let."""

    def __init__(self, answer: str | Exception) -> None:
        super().__init__([], "m", version="1")
        self.answer, self.asked, self.open = answer, asyncio.Event(), asyncio.Event()

    async def reply(self, messages: Messages, sampling: Sampling, n: int = 1) -> list[Reply]:
        self.asked.set()
        await self.open.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return [Reply(self.answer, "m", Usage(1, 1))]


async def both(store: Store, other: Store, first: Gate, second: ScriptedModel) -> Sequence[str | BaseException]:
    """Let a second user of the file ask for what the first has under way."""
    one, two = Calls(store), Calls(other)
    leading = asyncio.create_task(closed(one, first))
    await first.asked.wait()
    following = asyncio.create_task(closed(two, second))
    await asyncio.sleep(0.05)
    first.open.set()
    return await asyncio.gather(leading, following, return_exceptions=True)


def test_a_call_that_another_process_has_under_way_is_waited_for(store: Store, other: Store) -> None:
    second = ScriptedModel(["never asked"], "m", version="1")

    async def work() -> Sequence[str | BaseException]:
        return await both(store, other, Gate("the first"), second)

    assert asyncio.run(work()) == ["the first", "the first"]
    assert not second.calls


def test_a_call_that_failed_elsewhere_is_asked_here(store: Store, other: Store) -> None:
    async def work() -> Sequence[str | BaseException]:
        return await both(store, other, Gate(CallFailed("down")), ScriptedModel(["the second"], "m", version="1"))

    failed, answered = asyncio.run(work())
    assert isinstance(failed, CallFailed) and answered == "the second"


def test_only_one_of_two_gets_a_claim(store: Store, other: Store) -> None:
    first, second = claim(store), claim(other)
    assert (first[1], second[1]) == ({b"k" * 16}, set())


def test_an_answered_call_cannot_be_claimed(store: Store) -> None:
    assert asyncio.run(closed(Calls(store), ScriptedModel(["3"], "m"))) == "3"
    (key,) = store.db.execute("select key from calls").fetchone()
    assert claim(store, key)[1] == set()


def test_no_claim_is_left_when_all_is_answered(store: Store) -> None:
    task = Task(problems=sums(5), method=DIRECT, student=student(), grader=LastWord())
    asyncio.run(run_task(task, store))
    assert store.value("select count(*) from calls") == 5
    assert store.value("select count(*) from claims") == 0


def test_a_call_of_the_dead_is_taken_over_and_booked_at_what_it_may_have_cost(store: Store) -> None:
    claims, _ = claim(store)
    die(store)
    assert claim(store)[1] == {b"k" * 16}
    ((model, usage),) = store.paid(["run"])
    assert (model, usage) == ("m", BOUND)
    assert claims.holders([b"k" * 16]) != {}


def test_a_reply_of_one_thought_dead_replaces_what_was_booked_for_it(store: Store) -> None:
    claims, _ = claim(store)
    with store.writing():
        claims.bury({claims.owner})
    assert [usage for _, usage in store.paid(["run"])] == [BOUND]
    with store.writing():
        claims.rise([b"k" * 16])
    assert not list(store.paid(["run"]))


@pytest.mark.parametrize(
    ("owner", "expires", "alive"),
    [
        ("{here}", +1.0, True),
        ("{here}", -1.0, False),
        ("elsewhere/1/2 1 1 ab", +1.0, True),
        ("elsewhere/1/2 1 1 ab", -1.0, False),
        ("{host} {parent} {started} ab", -1.0, True),
        ("{host} {parent} 1 ab", +1.0, False),
        ("{host} 99999999 1 ab", +1.0, False),
        ("{host} none 1 ab", -1.0, False),
        ("", -1.0, False),
    ],
)
def test_an_owner_lives_as_long_as_its_process_and_elsewhere_as_its_lease(
    owner: str, expires: float, alive: bool
) -> None:
    here = Owner()
    parent = os.getppid()
    fields = Path(f"/proc/{parent}/stat").read_text().rpartition(")")[2].split()
    name = owner.format(here=here.name, host=here.name.split(" ")[0], parent=parent, started=fields[19])
    assert lives(name, expires, 0.0) is alive


def test_an_owner_that_ended_or_is_forgotten_is_dead(store: Store) -> None:
    kept, forgotten = Owner(), Owner().name
    assert lives(kept.name, 1.0, 0.0) and not lives(forgotten, 1.0, 0.0)
    kept.end()
    assert not lives(kept.name, 1.0, 0.0)


def test_the_first_draw_of_a_request_carries_what_all_may_use(store: Store) -> None:
    claims = Claims(store)
    keys = [bytes([n]) * 16 for n in range(3)]
    with store.writing():
        claims.take([Claim(key, "run", "m") for key in keys], BOUND)
    assert sorted(bound for *_, bound, _ in claims.held(["run"])) == [0, 0, 300]


def test_a_renewed_claim_holds_longer(store: Store) -> None:
    claims, _ = claim(store)
    store.db.execute("update claims set expires = expires - ?", (LEASE,))
    before = claims.holders([b"k" * 16])[b"k" * 16][1]
    claims.renew()
    assert claims.holders([b"k" * 16])[b"k" * 16][1] > before + LEASE / 2


# -- one budget


def budget(money: float) -> Budget:
    made = Budget(Cents(), money=money)
    made.covers = ("run",)
    return made


def test_what_another_process_has_reserved_counts_against_the_budget(store: Store, other: Store) -> None:
    holder, _ = claim(other, bound=Usage(1, 100))
    model = ScriptedModel(["3"], "m")
    sampling = Sampling(max_tokens=60)

    async def work() -> None:
        calls = Calls(store, budget=budget(1.5))
        try:
            await asyncio.wait_for(calls.ask(Request("student", model, PROMPT, sampling, run="run")), 0.3)
        finally:
            await calls.close()

    with pytest.raises(TimeoutError):
        asyncio.run(work())
    assert holder.held(["run"]) and not model.calls


def test_what_a_dead_process_had_in_flight_is_spent(store: Store, other: Store) -> None:
    claim(other, bound=Usage(1, 100))
    die(other)
    with pytest.raises(BudgetReached, match=r"\$1\.0000 of \$1\.5000"):
        asyncio.run(closed_within(store, budget(1.5)))
    assert asyncio.run(closed_within(store, budget(1.7))) == "3"


async def closed_within(store: Store, limit: Budget) -> str:
    calls = Calls(store, budget=limit)
    try:
        _, call = await calls.ask(
            Request("student", ScriptedModel(["3"], "m"), PROMPT, Sampling(max_tokens=60), run="run")
        )
        return call.reply.text
    finally:
        await calls.close()


def test_what_another_process_has_paid_meanwhile_counts(store: Store, other: Store) -> None:
    calls = Calls(store, budget=budget(1.5))
    asyncio.run(closed(Calls(other), ScriptedModel([Reply("3", "m", Usage(1, 100))], "m")))

    async def work() -> None:
        try:
            await calls.ask(Request("student", ScriptedModel(["4"], "m"), PROMPT, Sampling(max_tokens=60), run="run"))
        finally:
            await calls.close()

    with pytest.raises(BudgetReached):
        asyncio.run(work())


# -- the same traces


def failed_row(of: Run) -> tuple[StoredTrace, Grade]:
    problem = of.trace("sums/test/0").problem
    return StoredTrace(0, Trace(problem, "direct", error="down"), ()), Grade(
        "ungraded", why="down", grader="last-word@1"
    )


def test_a_failure_here_replaces_no_solution_that_another_process_found(store: Store) -> None:
    task = Task(problems=sums(1), method=DIRECT, student=student(), grader=LastWord())
    run = asyncio.run(run_task(task, store)).run
    run.put_graded([failed_row(run)])
    ((trace, grade),) = run.graded()
    assert (trace.error, grade.verdict) == (None, "right")
