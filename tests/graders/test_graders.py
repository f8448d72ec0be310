import asyncio
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from real_data import TRACES, checked_rows
from stepdown.custom import CustomModel
from stepdown.errors import CallFailed, UnknownName
from stepdown.graders import judged_by, load_grader
from stepdown.graders.workers import OutOfTime, Workers
from stepdown.types import Grade, Kind, Message, Messages, Problem, Reply, Sampling

ROBE = Problem("p/1", "How many bolts in total does it take?", "3")
FACTOR = Problem("p/2", "Factor $7x^2-63$.", "7(x+3) (x-3)", kind="expression")


def grade(problem: Problem, solution: str, grader: str = "default") -> Grade:
    return asyncio.run(load_grader(grader)(problem, solution))


@pytest.fixture
def two_workers() -> Iterator[Workers]:
    workers = Workers(2)
    yield workers
    workers.close()


class Judge(CustomModel):
    name = "scripted/judge"

    def __init__(self, text: str | None) -> None:
        self.text = text
        self.asked: list[Messages] = []

    async def reply(self, messages: Messages, sampling: Sampling, n: int = 1) -> list[Reply]:
        self.asked.append(messages)
        if self.text is None:
            raise CallFailed("the line went dead")
        return [Reply(self.text, self.name)]


def test_a_right_answer_is_right_and_says_what_was_found() -> None:
    assert grade(ROBE, "2 + 1 = 3 bolts.") == Grade("right", "3", "found `3`, the gold", "default@2")


def test_a_wrong_answer_is_wrong_and_names_the_gold() -> None:
    assert grade(ROBE, "It takes 4 bolts.").why == "found `4`, the gold is `3`"


@pytest.mark.parametrize("solution", ["", "I cannot say."])
def test_a_solution_that_concludes_nothing_is_wrong_with_nothing_found(solution: str) -> None:
    assert grade(ROBE, solution) == Grade("wrong", None, "no answer found", "default@2")


def test_a_gold_that_cannot_be_read_leaves_a_solution_ungraded() -> None:
    assert grade(Problem("p", "How many?", "some"), "It is 4.").verdict == "ungraded"
    assert grade(Problem("p", "Which?", "?", ("a", "b"), "choice"), "It is (a).").verdict == "ungraded"


@pytest.mark.parametrize(
    ("kind", "gold", "solution"),
    [
        ("number", "2,125", "The answer is 2125."),
        ("number", "... so\n#### 18", "She makes $18."),
        ("expression", r"x \in [-2,7]", r"so $-2 \le x \le 7$"),
        ("expression", r"\$40", "Thus he gets $40$ dollars."),
        ("expression", "12, 10, 6", "The values are 6, 10, 12."),
        ("choice", "(b)", "Thus, it is blue."),
        ("choice", "blue", "Answer: (B)"),
        ("choice", "2", "So the answer is: (b)"),
        ("text", "The Cat", "Answer: a cat."),
        ("text", "true", "Answer: Yes"),
        ("text", "no", "Answer: False"),
    ],
)
def test_golds_come_in_many_spellings(kind: Kind, gold: str, solution: str) -> None:
    assert grade(Problem("p", "What is it?", gold, ("red", "blue"), kind), solution).verdict == "right"


def test_an_equal_expression_that_is_not_factored_answers_no_factoring_question() -> None:
    assert grade(FACTOR, "It factors to $7(x - 3)(x + 3)$").verdict == "right"
    assert "not fully factored" in grade(FACTOR, "It factors to $7(x^2 - 9)$").why


@pytest.mark.parametrize(
    ("gold", "solution", "verdict"),
    [
        ("2x-y+3=0", "So the line is $4x - 2y + 6 = 0$.", "right"),
        ("2x-y+3=0", "So the value is $y - y = 0$.", "wrong"),
        ("2x-y+3=0", "The answer is 0.", "wrong"),
        ("-7, 4", r"So it is $\boxed{4}$ or $\boxed{-7}$.", "right"),
        (r"\boxed{4} and \boxed{-7}", r"$\boxed{-7, 4}$", "right"),
        (r"x \le 2", "Thus $x <= 2$ is our answer.", "right"),
        (r"\frac{\sqrt3}{3}", r"It is $\frac{1}{\sqrt3} \approx 0.58$.", "right"),
        ("1/54145", "It is $1/54146$.", "wrong"),
        ("0.4", "It is .4.", "right"),
        (r"\text{odd}", "$odd$", "right"),
        (r"\text{odd}", "even", "wrong"),
    ],
)
def test_a_gold_that_is_an_equation_or_a_list_is_met_only_by_the_whole_of_one(
    gold: str, solution: str, verdict: str
) -> None:
    assert grade(Problem("p", "What is it?", gold, kind="expression"), solution).verdict == verdict


def test_strict_counts_only_an_explicit_final_answer() -> None:
    assert grade(ROBE, "So it takes 3 bolts.", "strict").why == "no final answer line"
    assert grade(ROBE, "So it takes 3 bolts.\nAnswer: 3", "strict").verdict == "right"


def test_lenient_also_counts_a_gold_among_the_last_sentences() -> None:
    solution = "It takes 2 blue and 1 white, 3 altogether. So 4 bolts."
    assert grade(ROBE, solution).verdict == "wrong"
    assert grade(ROBE, solution, "lenient").verdict == "right"


def test_a_named_kind_overrides_the_problems_own() -> None:
    assert grade(Problem("p", "Which?", "3", kind="text"), "It is 3.0", "numeric").verdict == "right"


def test_an_unknown_grader_is_refused_with_the_known_names() -> None:
    with pytest.raises(UnknownName, match="numeric"):
        load_grader("numerical")
    with pytest.raises(UnknownName):
        load_grader("default@99")
    assert load_grader("strict@1").name == "strict@2"


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [("RIGHT", "right"), ("Wrong.", "wrong"), ("right or wrong", "ungraded"), ("", "ungraded"), (None, "ungraded")],
)  # fmt: skip
def test_a_judges_reply_is_a_verdict_or_leaves_ungraded(reply: str | None, verdict: str) -> None:
    judge = Judge(reply)
    grader = judged_by(judge)
    assert asyncio.run(grader(ROBE, "It takes 3.")).verdict == verdict
    assert grader.name.startswith("judge:scripted/judge@")
    assert isinstance(judge.asked[0][-1], Message) and "It takes 3." in judge.asked[0][-1].content


def test_equations_are_compared_by_a_worker(two_workers: Workers) -> None:
    assert asyncio.run(two_workers.same("x^2+y^2=13", "y^2+x^2=13")) is True
    assert asyncio.run(two_workers.same("x^2+y^2=13", "y^2+x^2=14")) is False


def test_a_worker_serves_one_event_loop_after_the_other(two_workers: Workers) -> None:
    asyncio.run(two_workers.same("x=1", "x=1"))
    first = two_workers._idle[0].process.pid
    asyncio.run(two_workers.same("x=2", "x=2"))
    assert [worker.process.pid for worker in two_workers._idle] == [first]


def test_the_event_loop_goes_on_while_a_worker_compares(two_workers: Workers) -> None:
    async def ticks() -> int:
        comparing = asyncio.ensure_future(two_workers.same("x=1", "x=1"))
        count = 0
        while not comparing.done():
            await asyncio.sleep(0.01)
            count += 1
        return count

    assert asyncio.run(ticks()) > 5


@pytest.mark.slow
def test_what_takes_too_long_ends_its_worker_and_the_next_comparison_has_a_new_one(two_workers: Workers) -> None:
    with pytest.raises(OutOfTime):
        asyncio.run(two_workers.same("4", "9^{9^{9^{9^{9}}}}!+\\sum_{n=1}^{10^{9}}\\frac{1}{n}", seconds=0.01))
    assert two_workers._idle == []
    assert asyncio.run(two_workers.same("x=1", "x=1")) is True


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="processor time is not told apart here")
def test_a_worker_that_a_busy_machine_keeps_waiting_still_has_its_seconds(two_workers: Workers) -> None:
    asyncio.run(two_workers.same("x=1", "x=1"))
    process = two_workers._idle[0].process
    process.send_signal(signal.SIGSTOP)
    goes_on = threading.Timer(0.6, process.send_signal, (signal.SIGCONT,))
    goes_on.start()
    assert asyncio.run(two_workers.same("x=2", "x=2", seconds=0.4)) is True
    assert not goes_on.is_alive(), "it waited longer than it may compute"


HOSTILE = {
    "tower": "The answer is $9**9**9**9$",
    "nested": "\\boxed{" + "\\frac{1}{" * 10_000 + "2" + "}" * 10_000 + "}",
    "parentheses": "(" * 1_000_000,
    "code": "\\boxed{__import__('os').system('touch pwned')}",
    "surrogates": "\x00\ud800 and \\boxed{\ud800}",
    "factorial": "\\boxed{(10^9)!}",
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("kind", ["number", "expression", "choice", "text"])
def test_hostile_text_is_never_right_never_evaluated_and_soon_done(name: str, kind: Kind) -> None:
    problem = Problem("p", "What is x?", "x^2+y=4" if kind == "expression" else "4", ("a4", "b4"), kind)
    began = time.monotonic()
    assert grade(problem, HOSTILE[name]).verdict != "right"
    assert time.monotonic() - began < 15
    assert not Path("pwned").exists()


@settings(max_examples=100)
@given(st.text(max_size=100))
def test_no_text_makes_a_grader_fail(text: str) -> None:
    for name in ("numeric", "choice", "text", "strict", "lenient"):
        assert grade(ROBE, text, name).grader == f"{name}@2"


@pytest.mark.slow
@pytest.mark.whole(*TRACES)
def test_the_default_grader_agrees_with_the_hand_checked_verdicts() -> None:
    agreed: dict[str, list[bool]] = {}
    for row in checked_rows():
        agreed.setdefault(row.file, []).append((grade(row.problem, row.solution).verdict == "right") == row.right)
    assert len(agreed) == 8 and all(len(rows) == 200 for rows in agreed.values())
    assert min(sum(rows) / len(rows) for rows in agreed.values()) >= 0.96
    assert sum(map(sum, agreed.values())) / 1600 >= 0.985
