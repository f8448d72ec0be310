"""The functions of a program take names wherever they take objects, and the two mean the same run."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import stepdown as sd
from command_line import PLAN, sums_at_hand
from faulty_server import FaultyServer
from stepdown.errors import BudgetReached, UsageError
from stepdown.plugins import find
from stepdown.runner import RunOptions
from stepdown.settings import BudgetSettings, GridSettings, ProblemSettings
from stepdown.store import Store
from stepdown.types import Sampling
from worlds import DIRECT, LastWord, student, sums, teacher

PRICES = '{"openai/student": {"input": 1000000, "output": 1000000}}'


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyServer]:
    with sums_at_hand(tmp_path, monkeypatch, count=4) as server:
        yield server


def test_a_run_of_names_is_the_run_of_the_objects(server: FaultyServer, store: Store) -> None:
    named = sd.run("sums.jsonl", "tot", student="openai/student", teacher="openai/teacher", limit=2, store=store)
    asked = len(server.bodies)
    made = sd.run(
        sd.load_problems("sums.jsonl", limit=2),
        sd.load_method("trace-of-thought"),
        student=sd.load_model("openai/student"),
        teacher=sd.load_model("openai/teacher"),
        prompts=sd.load_prompts("default"),
        grader=sd.load_grader(),
        store=store,
    )
    assert made.id == named.id and len(server.bodies) == asked == 4
    assert [grade.verdict for _, grade in named.graded()] == ["right", "right"]


def test_a_question_alone_is_solved_by_names(server: FaultyServer) -> None:
    trace = sd.solve("What is 4 plus one?", "direct", student="openai/student", store="own.sqlite")
    assert trace.solution == "Answer: 5" and Path("own.sqlite").exists()
    planned = sd.solve("What is 4 plus one?", student="openai/student", plan=PLAN, prompts="paper")
    assert planned.plan and planned.plan.text == PLAN and len(planned.calls) == 1


def test_a_judge_and_another_grader_are_named(server: FaultyServer, store: Store) -> None:
    run = sd.run("sums.jsonl", "direct", student="openai/student", grader="strict", limit=1, store=store)
    assert run.grader.startswith("strict@")
    assert sd.grade(run.id, "lenient", store=store).grader.startswith("lenient@")
    with pytest.raises(sd.StepdownError, match="there is no run `nosuch`"):
        sd.grade("nosuch", store=store)


def test_everything_that_a_task_has_can_be_said(store: Store) -> None:
    seen = list[object]()
    run = sd.run(
        sums(5), DIRECT, student=student(), teacher=teacher(), grader=LastWord(), limit=2, offset=1, samples=2,
        sampling=Sampling(temperature=0.5), progress=seen.append, store=store,
    )  # fmt: skip
    assert [trace.problem.id for trace, _ in run.graded()][::2] == ["sums/test/1", "sums/test/2"]
    assert run.grader == "last-word@1" and run.settings.samples == 2 and seen
    controlled = sd.run(sums(3), student=student(), teacher=teacher(), control="generic", store=store)
    assert controlled.settings.control == "generic@2"
    again = sd.run(sums(3), student=student(), plans=controlled.id, control="masked", store=store)
    assert again.settings.control == "masked@2"


def test_a_budget_in_dollars_counts_what_the_run_has_cost(
    server: FaultyServer, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("prices.json").write_text(PRICES)
    budget = sd.Budget(sd.Prices(Path("prices.json")), money=1.0)
    with pytest.raises(BudgetReached):
        sd.run("sums.jsonl", "direct", student="openai/student", budget=budget, store=store)
    with pytest.raises(UsageError, match="the price of `openai/student` is unknown"):
        sd.run("sums.jsonl", "direct", student="openai/student", budget=1.0, store=store)
    assert server.bodies == []


def test_an_option_that_there_is_not_is_refused(store: Store) -> None:
    with pytest.raises(TypeError, match="no option `sampels`; did you mean `samples`"):
        sd.run(sums(1), "direct", student=student(), sampels=2, store=store)  # type: ignore[call-arg]
    with pytest.raises(UsageError, match="there is no student"):
        sd.run(sums(1), "direct", store=store)
    with pytest.raises(UsageError, match="`split` chooses of a data set"):
        sd.run(sums(1), "direct", student=student(), split="test", store=store)


def test_what_a_command_line_may_choose_a_program_may_choose_too() -> None:
    options = RunOptions.__annotations__.keys() | {"method"}
    fields = {*GridSettings.__struct_fields__, *BudgetSettings.__struct_fields__, *ProblemSettings.__struct_fields__}
    elsewhere = {"demos", "max_tokens_total", "prices", "estimate", "question", "answer", "choices", "id", "kind"}
    assert len(fields) > 15 and fields - options - elsewhere == set()


def test_chains_are_sampled_by_names(server: FaultyServer, store: Store) -> None:
    corpus = sd.sample("sums.jsonl", teacher="openai/student", out="chains", chains=2, limit=2, store=store)
    assert corpus.card.chains == 4 and len(server.bodies) >= 2
    again = sd.sample(
        "sums.jsonl", teacher="openai/student", out="chains", chains=2, limit=2, zero_shot=True, force=True, store=store
    )
    assert again.card.method == "chain-of-thought"


def test_a_model_that_was_named_is_closed_and_one_that_was_given_is_not(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("closing.py").write_text(
        "from stepdown import CustomModel, Reply\nCLOSED = []\n"
        "class Model(CustomModel):\n    name = 'mine'\n"
        "    async def reply(self, messages, sampling, n=1):\n        return [Reply('Answer: 1', 'mine')] * n\n"
        "    async def close(self):\n        CLOSED.append(1)\n"
    )
    sd.run(sums(1), "direct", student="closing.py:Model", store=store)
    found = find("models", "closing.py:CLOSED")
    assert found and found.value == [1]
    made = find("models", "closing.py:Model")
    assert made is not None
    sd.run(sums(2), "direct", student=made.value(), store=store)
    assert found.value == [1]
