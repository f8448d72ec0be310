"""A judge within a budget of its own: `grade` and `prefer` stop, count what was spent before, and say what it took."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from command_line import Solved, last_printed, solved_once, stored_runs
from faulty_server import Body, FaultyServer
from stepdown.cli import main
from stepdown.measuring import judge_budget
from stepdown.prompts import judge_messages, prefer_messages
from stepdown.runner.budget import usage_bound
from stepdown.store import Store
from stepdown.types import Messages, Sampling

CALL = 13  # tokens the server says a call took
ONE_AT_A_TIME = ("--concurrency", "1")
PRICED = ("--prices", "prices.json")
Verb = Callable[[], tuple[list[str], int]]


def answer(body: Body) -> str:
    said = {"judge": "RIGHT", "one": "Answer: 1", "other": "Surely. Answer: 1"}
    return said[body["model"]]


RUN = ("run", "sums.jsonl", "--method", "direct", "--student", "openai/one", "--student", "openai/other")


@pytest.fixture(scope="module")
def solved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Solved]:
    with solved_once(tmp_path_factory.mktemp("judged"), RUN, speak=answer, count=6) as solved:
        yield solved


@pytest.fixture
def server(solved: Solved, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FaultyServer:
    """A server that plays two students and a judge, and a folder with a run of each student."""
    server = solved.copy_to(tmp_path, monkeypatch)
    Path("prices.json").write_text('{"openai/judge": {"input": 1000000, "output": 1000000}}')
    return server


def bound(messages: Messages) -> int:
    """The most tokens that one call of a judge may take."""
    usage = usage_bound(messages, Sampling(max_tokens=512), 1)
    return usage.input + usage.output


def grading() -> tuple[list[str], int]:
    """The words that grade the first run by the judge, and what one of its calls may take."""
    with Store("stepdown.sqlite") as store:
        run = store.runs()[0]
        trace = next(run.traces())
        return ["grade", run.id, "--grader", "judge:openai/judge"], bound(judge_messages(trace.problem, "Answer: 1"))


def preferring() -> tuple[list[str], int]:
    """The words that compare both runs by the judge, and what one of its calls may take."""
    with Store("stepdown.sqlite") as store:
        problem = next(store.runs()[0].traces()).problem
        messages = prefer_messages(problem, "Answer: 1", "Surely. Answer: 1")
    return ["prefer", *stored_runs(), "--where", "any", "--judge", "openai/judge"], bound(messages)


@pytest.mark.parametrize(("verb", "calls"), [(grading, 6), (preferring, 12)])
def test_a_judge_stops_with_3_and_a_larger_budget_goes_on(
    verb: Verb, calls: int, server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    words, one = verb()
    capsys.readouterr()
    words += [*PRICED, *ONE_AT_A_TIME, "--json"]
    assert main([*words, "--budget", str(one + 2 * CALL)]) == 3
    shown = capsys.readouterr()
    assert "the budget is reached" in shown.err and "budget_reached" in shown.out and len(server.bodies) == 3
    assert f"judge: {3 * CALL} tokens · $39.00" in shown.err
    assert main([*words, "--budget", "1000000"]) in (0, 1)
    found = last_printed(capsys)
    assert (found["tokens"], found["cost"], len(server.bodies)) == ({"judge": calls * CALL}, calls * CALL, calls)
    assert found["paid"] == {"tokens": (calls - 3) * CALL, "cost": (calls - 3) * CALL}


@pytest.mark.parametrize("verb", [grading, preferring])
def test_what_judging_the_same_runs_has_cost_before_counts(verb: Verb, server: FaultyServer) -> None:
    words, one = verb()
    limit = [*words, *ONE_AT_A_TIME, "--max-tokens-total", str(one + CALL)]
    assert main(limit) == main(limit) == 3
    assert len(server.bodies) == 2


def test_grades_given_before_the_budget_was_reached_are_kept(server: FaultyServer) -> None:
    words, one = grading()
    assert main([*words, *ONE_AT_A_TIME, "--max-tokens-total", str(one + CALL)]) == 3
    with Store("stepdown.sqlite") as store:
        run = store.runs()[0]
        kept = [grade.verdict for _, grade in run.graded("judge:openai/judge")]
        assert kept.count("right") == 2 and run.grader == "default@2"


@pytest.mark.parametrize("verb", [grading, preferring])
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--budget", "1"), "price of `openai/judge` is unknown"),
        (("--budget", "-1"), "`--budget` cannot be `-1`"),
        (("--max-tokens-total", "0"), "`--max-tokens-total` cannot be `0`"),
        (("--budget", "1", "--prices", "none.json"), "cannot read the prices `none.json`"),
    ],
)
def test_a_budget_that_cannot_hold_is_refused_before_the_judge_is_asked(
    verb: Verb, options: tuple[str, ...], words: str, server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*verb()[0], *options]) == 2
    assert words in capsys.readouterr().err and not server.bodies


@pytest.mark.parametrize("verb", [grading, preferring])
def test_a_budget_in_money_does_not_take_an_earlier_judge_of_unknown_price_as_free(
    verb: Verb, server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    words, _ = verb()
    assert main(words) in (0, 1)
    again = [word.replace("openai/judge", "openai/gpt-4o") for word in words]
    asked = len(server.bodies)
    assert main([*again, "--budget", "9"]) == 2
    assert "price of `openai/judge` is unknown" in capsys.readouterr().err and len(server.bodies) == asked


def test_what_a_judge_costs_is_not_its_runs_and_the_same_whoever_is_named_first(server: FaultyServer) -> None:
    assert main(preferring()[0]) in (0, 1)
    with Store("stepdown.sqlite") as store:
        first, second = store.runs()
        assert judge_budget(first, second) == judge_budget(second, first)
        assert len(list(store.paid([judge_budget(first, second).key]))) == 12
        assert len(list(store.paid([first.id]))) == 6


def test_without_a_judge_nothing_is_said_to_be_spent(server: FaultyServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["grade", stored_runs()[0], "--grader", "strict", "--json"]) == 0
    shown = capsys.readouterr()
    found = json.loads(shown.out.splitlines()[-1])
    assert (found["tokens"], found["cost"], found["paid"]) == ({}, 0.0, {"tokens": 0, "cost": 0.0})
    assert "judge:" not in shown.err


def test_a_judge_of_unknown_price_has_tokens_and_no_cost(
    server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    words, _ = grading()
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    found = last_printed(capsys)
    assert (found["tokens"], found["cost"], found["paid"]["cost"]) == ({"judge": 6 * CALL}, None, None)
