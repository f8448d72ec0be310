"""A cascade: the planner's plan and votes first, the large teacher only where the votes disagree."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from small_endpoint import Endpoint, endpoint
from stepdown.errors import CallFailed, UsageError
from stepdown.graders import load_grader
from stepdown.models import ScriptedModel
from stepdown.models.scripted import ScriptLine
from stepdown.runner import Calls, Delta, Plans, Task
from stepdown.runner.cascade import Cascade, stream_cascade
from stepdown.store import Store, StoredTrace
from stepdown.types import Finish, Messages, Plan, Problem, Reply, Sampling
from stepdown.web.config import Config, Served
from worlds import TRACED, sums

PROBLEM = Problem("sums/test/4", "What is 4 plus one?", "5")
SERVED = Served(
    method="trace-of-thought", planner="openai/planner", teacher="openai/teacher", student="openai/student", votes=3
)
ASKED: list[Any] = [{"role": "user", "content": PROBLEM.question}]


class Players:
    """A planner, a teacher, and a student whose votes are scripted; by the teacher's plan it answers 5."""

    def __init__(self, votes: Sequence[ScriptLine], *, plan: ScriptLine = "1. Guess.") -> None:
        self.planner = ScriptedModel([plan], "openai/planner")
        self.teacher = ScriptedModel(["1. Add one."], "openai/teacher")
        self.votes = list(votes)
        self.student = ScriptedModel(self._answer, "openai/student")

    def _answer(self, messages: Messages, sampling: Sampling, sample: int) -> ScriptLine:
        return "Answer: 5" if "Add one." in messages[-1].content else self.votes.pop(0)

    def models(self) -> dict[str, ScriptedModel]:
        return {model.name: model for model in (self.planner, self.teacher, self.student)}

    def cascade(self, threshold: float = 0.6, votes: int = 3) -> Cascade:
        cheap, dear = (
            Task(
                problems=sums(1), method=TRACED, student=self.student, teacher=teacher, plans=Plans(),
                grader=load_grader(), sampling=Sampling(temperature), samples=samples,
            )
            for teacher, temperature, samples in ((self.planner, 0.7, votes), (self.teacher, 0.0, 1))
        )  # fmt: skip
        return Cascade(cheap=cheap, dear=dear, threshold=threshold)


def solve(cascade: Cascade, folder: Path) -> tuple[list[Delta], StoredTrace]:
    async def work() -> tuple[list[Delta], StoredTrace]:
        with Store(folder / "cascade.sqlite") as store:
            calls = Calls(store)
            *pieces, row = [one async for one in stream_cascade(cascade, PROBLEM, calls)]
            await calls.close()
        assert isinstance(row, StoredTrace), "a cascade ends in one row"
        return [piece for piece in pieces if isinstance(piece, Delta) and piece.text], row

    return asyncio.run(work())


def text_of(pieces: list[Delta], role: str) -> str:
    return "".join(piece.text for piece in pieces if piece.role == role)


def test_votes_that_agree_are_the_answer_and_no_teacher_is_asked(tmp_path: Path) -> None:
    players = Players(["Answer: 7", "So it is five. Answer: 5", "Answer: 5.0"])
    pieces, row = solve(players.cascade(), tmp_path)
    assert row.trace.solution == "So it is five. Answer: 5" == text_of(pieces, "student")
    assert (players.teacher.calls, row.trace.plan) == ([], Plan("1. Guess.", "openai/planner"))
    assert [call.model for call in row.trace.calls].count("openai/student") == 3


def test_votes_that_disagree_go_on_to_the_teachers_plan(tmp_path: Path) -> None:
    pieces, row = solve(Players(["Answer: 7", "Answer: 8", "Answer: 9"]).cascade(), tmp_path)
    assert (text_of(pieces, "teacher"), text_of(pieces, "student")) == ("1. Guess.\n\n1. Add one.", "Answer: 5")
    assert (row.trace.plan, row.trace.solution) == (Plan("1. Add one.", "openai/teacher"), "Answer: 5")
    assert (len(row.trace.calls), len(set(row.keys)), row.trace.method) == (6, 6, "trace-of-thought")


def test_junk_never_votes_but_counts_against_agreement(tmp_path: Path) -> None:
    players = Players(["Who knows?", "I cannot say.", "Answer: 7"])
    _, row = solve(players.cascade(threshold=0.5), tmp_path)
    assert (len(players.teacher.calls), row.trace.solution) == (1, "Answer: 5")


def test_a_share_equal_to_the_threshold_is_enough(tmp_path: Path) -> None:
    players = Players(["Answer: 7", "Answer: 8", "Answer: 7"])
    assert solve(players.cascade(threshold=0.6667 - 1e-4), tmp_path)[1].trace.solution == "Answer: 7"


def test_a_planner_that_fails_is_no_failure_of_the_cascade(tmp_path: Path) -> None:
    pieces, row = solve(Players([], plan=CallFailed("it broke", "")).cascade(), tmp_path)
    assert (text_of(pieces, "teacher"), row.trace.solution, row.trace.error) == ("1. Add one.", "Answer: 5", None)


@pytest.mark.parametrize(("threshold", "votes"), [(0.0, 3), (1.1, 3), (0.6, 1)])
def test_a_cascade_that_cannot_be_right_is_refused(threshold: float, votes: int) -> None:
    with pytest.raises(UsageError):
        Players([]).cascade(threshold, votes).check()


def ask(served: Endpoint, **options: Any) -> Any:
    with served.client() as client:
        return client.chat.completions.create(model="mine", messages=ASKED, **options).choices[0].message.to_dict()


def test_a_served_cascade_shows_both_plans_as_reasoning(tmp_path: Path) -> None:
    players = Players(["Answer: 7", "Answer: 8", "Answer: 9"])
    with endpoint(tmp_path, players.models(), config=Config(models={"mine": SERVED})) as served:
        message = ask(served)
    assert (message["reasoning_content"], message["content"]) == ("1. Guess.\n\n1. Add one.", "Answer: 5")


def test_a_served_cascade_streams_as_it_answers_whole(tmp_path: Path) -> None:
    players = Players(["Answer: 7"] * 3)
    with (
        endpoint(tmp_path, players.models(), config=Config(models={"mine": SERVED})) as served,
        served.client() as client,
    ):
        stream = client.chat.completions.create(model="mine", messages=ASKED, stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "Answer: 7"


@pytest.mark.parametrize(
    ("finish", "answer"), [("stop", "Answer: 7"), ("length", "Answer: 5"), ("filter", "Answer: 5")]
)
def test_a_reply_that_was_cut_has_no_vote(tmp_path: Path, finish: Finish, answer: str) -> None:
    players = Players([Reply("Answer: 7", "s", finish=finish), "So it is Answer: 7", "Answer: 8"])
    _, row = solve(players.cascade(), tmp_path)
    assert row.trace.solution == answer


def test_votes_are_never_greedy_and_the_last_solution_always_is(tmp_path: Path) -> None:
    players = Players(["Answer: 7", "Answer: 8", "Answer: 9"])
    with endpoint(tmp_path, players.models(), config=Config(models={"mine": SERVED})) as served:
        ask(served, temperature=0)
    assert [call.sampling.temperature for call in players.student.calls] == [0.7, 0.7, 0.7, 0.0]


def test_votes_are_drawn_at_the_temperature_that_is_asked_for(tmp_path: Path) -> None:
    players = Players(["Answer: 7", "Answer: 8", "Answer: 9"])
    with endpoint(tmp_path, players.models(), config=Config(models={"mine": SERVED})) as served:
        ask(served, temperature=1.2)
    assert [call.sampling.temperature for call in players.student.calls] == [1.2, 1.2, 1.2, 0.0]
    assert {call.sampling for call in (*players.planner.calls, *players.teacher.calls)} == {Sampling()}
