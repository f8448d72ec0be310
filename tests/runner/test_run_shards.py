"""A shard solves its part of the problems, under the id and at the places of the whole run."""

import asyncio
from pathlib import Path

import pytest

from stepdown.errors import UsageError
from stepdown.runner import Task, estimate, grade, run_task
from stepdown.runner.live_run import RunOutcome
from stepdown.shards import Shard, parse_shard
from stepdown.store import Run, Store, expected_problems, shards_of
from stepdown.types import Problem
from worlds import direct, student, sums

COUNT = 20


def task(shard: Shard | None = None) -> Task:
    return direct(COUNT, student(), shard=shard)


def solve(store: Store, shard: Shard | None = None) -> RunOutcome:
    return asyncio.run(run_task(task(shard), store))


def places(run: Run) -> list[int]:
    return [ordinal for ordinal, _, _ in run.rows()]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("0/3", "they are 1/3 to 3/3"),
        ("4/3", "they are 1/3 to 3/3"),
        ("a/b", "give i/n"),
        ("1", "give i/n"),
        ("-1/3", "give i/n"),
        ("1/0", "cut into 1 or more"),
        ("2/1", "there is 1/1 only"),
        ("1/1000000", "too many"),
        ("١/٣", "give i/n"),
    ],
)
def test_a_shard_that_cannot_be_is_refused_with_the_reason(text: str, why: str) -> None:
    assert parse_shard("2/3") == Shard(2, 3)
    with pytest.raises(UsageError, match=why) as refused:
        parse_shard(text)
    assert refused.value.option == "--shard"


def test_each_problem_is_in_one_shard_by_what_it_asks_whatever_it_is_called() -> None:
    shards = [Shard(number, 3) for number in (1, 2, 3)]
    held = [[shard.holds(problem) for shard in shards] for problem in sums(300)]
    assert all(sum(one) == 1 for one in held) and all(80 < sum(column) < 120 for column in zip(*held, strict=True))
    assert [shard.holds(Problem("another/id", "What is 1 plus one?", "2")) for shard in shards] == held[1]


def test_which_shard_holds_a_problem_never_changes() -> None:
    asked = Problem("p", "Which is true?", "A", ("yes", "nö"))
    assert [shard for shard in range(1, 8) if Shard(shard, 7).holds(asked)] == [4]
    assert "".join(str(next(i for i in (1, 2, 3) if Shard(i, 3).holds(one))) for one in sums(12)) == "333233213333"


def test_shards_of_one_store_become_the_run_that_would_have_been_made_at_once(tmp_path: Path) -> None:
    with Store(tmp_path / "whole") as whole, Store(tmp_path / "cut") as cut:
        outcomes = [solve(cut, Shard(number, 3)) for number in (1, 2, 3)]
        first, run = solve(whole).run, outcomes[0].run
        assert [one.counts.solved for one in outcomes] == [one.counts.total for one in outcomes]
        assert (first.id, list(first.graded())) == (run.id, list(run.graded()))
        assert solve(cut).counts.calls == 0, "nothing is left to ask"


def test_a_shard_keeps_its_problems_at_their_places_and_counts_only_them(store: Store) -> None:
    shard = Shard(2, 3)
    outcome = solve(store, shard)
    held = [place for place, problem in enumerate(sums(COUNT)) if shard.holds(problem)]
    assert places(outcome.run) == held and 0 < len(held) < COUNT
    assert (outcome.counts.total, expected_problems(outcome.run)) == (len(held), len(held))
    found = shards_of(outcome.run)
    assert found and (str(found), found.missing) == ("1 of 3 shards", ("1/3", "3/3"))


def test_a_shard_goes_on_where_it_was_and_a_whole_run_does_the_rest(store: Store) -> None:
    first = solve(store, Shard(1, 3)).counts
    again, rest = solve(store, Shard(1, 3)).counts, solve(store).counts
    assert (again.calls, again.solved) == (0, first.solved)
    assert (rest.calls, rest.solved, rest.total) == (COUNT - first.solved, COUNT, COUNT)


def test_a_shard_of_another_cut_is_refused_before_anything_is_asked(store: Store) -> None:
    before = solve(store, Shard(1, 3)).run
    held = places(before)
    with pytest.raises(UsageError, match=r"shard 1/3 of run .* `2/4` is of another cut"):
        solve(store, Shard(2, 4))
    assert places(before) == held


def test_an_estimate_of_a_shard_is_of_its_problems(store: Store) -> None:
    class Free:
        def cost(self, model: str, usage: object) -> float | None:
            return 0.0

    counts = [asyncio.run(estimate(task(Shard(number, 3)), store, Free())).calls for number in (1, 2, 3)]
    assert sum(counts) == COUNT and all(counts)


def test_a_shard_is_graded_by_itself(store: Store) -> None:
    run = solve(store).run
    grade(run, "strict", shard="1/3")
    graded = [problem.id for problem in sums(COUNT) if Shard(1, 3).holds(problem)]
    found = [trace.problem.id for trace, one in run.graded() if one.verdict != "ungraded"]
    assert (found, str(shards_of(run, run.grader))) == (graded, "1 of 3 shards")
    with pytest.raises(UsageError, match="another cut"):
        grade(run, "strict", shard="1/2")
