"""Methods of others in which draws vote, tokens are allotted, or the teacher speaks while the student solves."""

import asyncio

import pytest

import stepdown as sd
from stepdown.audits import audit
from stepdown.audits.leakage import leaked
from stepdown.errors import CallFailed, UsageError
from stepdown.methods import BEST_OF_N, PLAN_AND_BUDGET, SPECULATIVE_THINKING, TAKING_TURNS
from stepdown.methods.plan_and_budget import BUDGET, budgets
from stepdown.methods.speculative_thinking import PARAGRAPH, before_reflection
from stepdown.models import ScriptedModel
from stepdown.runner import Task
from stepdown.runner.attempt import MOST_DRAWS
from stepdown.runner.estimate import estimate
from stepdown.store import Store
from stepdown.types import Ask, Messages, Method, Model, Plan, Problem, Prompt, Reply, Sampling, Trace, Usage
from worlds import LastWord, sums

EGGS = Problem("eggs/0", "Ann has 3 eggs and buys twice as many. How many has she?", "9")


def model(name: str, *replies: str) -> ScriptedModel:
    """A model that says these in turn, the last one on and on."""
    said = iter(replies)
    last = [replies[-1]]
    return ScriptedModel(lambda *_: next(said, last[0]), name, version="1")


def solved(method: Method, student: Model, teacher: Model | None, store: Store, *, samples: int = 1) -> Trace:
    sampling = Sampling(temperature=0.7 if samples > 1 else 0.0)
    eggs = sd.Problems("eggs", lambda: iter([(None, EGGS)]))
    task = Task(problems=eggs, method=method, student=student, teacher=teacher, grader=LastWord(),
                sampling=sampling, samples=samples)  # fmt: skip
    [outcome] = sd.run_tasks([task], store)
    return next(iter(outcome.run.traces()))


def roles(trace: Trace) -> str:
    return "".join(call.role[0] for call in trace.calls)


def test_the_answer_that_most_draws_give_is_taken(store: Store) -> None:
    trace = solved(BEST_OF_N, model("student", "Answer: 1", "Answer: 2", "So.\nAnswer: 2", "Answer: 3"), None, store)
    assert trace.solution == "Answer: 2" and [call.sample for call in trace.calls] == [0, 1, 2, 3, 4]
    assert {call.sampling.temperature for call in trace.calls} == {0.7}, "greedy draws would all be the same"


def test_the_draws_of_two_samples_are_not_the_same(store: Store) -> None:
    student = model("student", *(f"Answer: {n}" for n in range(10)))
    solved(BEST_OF_N, student, None, store, samples=2)
    assert len(student.calls) == 10


@pytest.mark.parametrize(
    ("said", "asked"),
    [(["1. Add."] + ["Answer: 4"] * 5, "ssssss"), (["1. Add.", *"12345"] + ["Answer: 4"] * 5, "sssssstsssss"),
     (["1. Add.", *"12345", *"56789"], "sssssstssssst")],
)  # fmt: skip
def test_turns_are_taken_until_enough_answers_agree(said: list[str], asked: str, store: Store) -> None:
    trace = solved(TAKING_TURNS, model("student", *said), model("teacher", "1. Add them.", "Answer: 4"), store)
    assert roles(trace) == asked and trace.solution == "Answer: 4"
    plans = [call.messages[-1].content for call in trace.calls if "Follow this plan" in call.messages[-1].content]
    assert ("1. Add them." in plans[-1]) == ("t" in asked)


def test_tokens_are_allotted_by_credit_and_place() -> None:
    parts = budgets(("How many boxes? (20 points)", "How many pears? (20 pts)", "Left (60 points)"))
    assert [part for part, _ in parts] == ["How many boxes?", "How many pears?", "Left"]
    assert [tokens for _, tokens in parts] == [BUDGET * weight // 320 for weight in (180, 80, 60)]
    assert budgets(()) == [] and len(budgets(("a", "b (0 points)"))) == 2


def test_a_reply_is_held_to_its_budget_and_told_of_it(store: Store) -> None:
    trace = solved(PLAN_AND_BUDGET, model("student", "Answer: 4"), model("teacher", "1. Which? (100 points)"), store)
    last = trace.calls[-1]
    assert last.sampling.max_tokens < 1024 and "Which? (Use up to 240 words.)" in last.messages[-1].content
    assert trace.plan and trace.calls[0].sampling.max_tokens == 1024


def test_the_teacher_takes_over_where_the_student_reflects(store: Store) -> None:
    student = model("student", "Two and two.\n\nWait, is it five?\n\nAnswer: 5", "So it is four.\n\nAnswer: 4")
    trace = solved(SPECULATIVE_THINKING, student, model("teacher", "No, it is four.\n\nAnswer: 9"), store)
    assert trace.solution == "Two and two.\n\nNo, it is four.\n\nSo it is four.\n\nAnswer: 4"
    assert roles(trace) == "sts" and trace.calls[1].sampling.max_tokens == PARAGRAPH


@pytest.mark.parametrize(
    ("text", "always", "kept"),
    [("a\n\nb\n\nLet me check b", False, "a\n\nb"), ("a\n\nb", True, "a"), ("a\n\nb", False, ""), ("a", True, ""),
     ("", True, ""), ("\n \n" * 50_000, True, "")],
)  # fmt: skip
def test_what_stands_before_a_reflection_is_kept(text: str, always: bool, kept: str) -> None:
    assert before_reflection(text, always=always) == kept


def test_what_a_teacher_says_while_the_student_solves_is_audited(store: Store) -> None:
    student = model("student", "First.\n\nThen.", "Answer: 9")
    trace = solved(SPECULATIVE_THINKING, student, model("teacher", "It makes 9."), store)
    [found] = audit(*store.runs()).runs
    assert leaked(trace) and (found.leakage.leaked, found.leakage.plans) == (1, 1)
    assert trace.plan is None and trace.handed is not None and trace.handed.author == "teacher"


@pytest.mark.parametrize("method", [TAKING_TURNS, PLAN_AND_BUDGET, SPECULATIVE_THINKING], ids=lambda one: one.name)
def test_tokens_and_money_are_counted_for_each_role(method: Method, store: Store) -> None:
    used = {
        name: Reply("First.\n\nThen.", name, Usage(10, written)) for name, written in (("student", 5), ("teacher", 7))
    }
    models = [ScriptedModel(lambda *_, name=name: used[name], name, version="1") for name in used]
    trace = solved(method, models[0], models[1], store)
    [row] = sd.report(*store.runs())
    said = roles(trace)
    assert said.count("t") and row.tokens == {"teacher": 17 * said.count("t"), "student": 15 * said.count("s")}


def test_an_estimate_takes_the_votes_to_disagree_and_says_what_agreement_spares(store: Store) -> None:
    models = {"student": model("student", "x"), "teacher": model("teacher", "x")}
    task = Task(problems=sums(5), method=TAKING_TURNS, grader=LastWord(), **models)  # type: ignore[arg-type]
    found = asyncio.run(estimate(task, store, sd.Prices()))
    assert (found.asked.low, found.calls, found.asked.high) == (30, 65, 65)


def test_a_draw_that_fails_fails_the_attempt(store: Store) -> None:
    def say(messages: Messages, sampling: Sampling, sample: int) -> str:
        if sample == 2:
            raise CallFailed("the line is down")
        return "Answer: 4"

    student = ScriptedModel(say, "student", version="1")
    trace = solved(BEST_OF_N, student, None, store)
    assert trace.solution is None and trace.error == "the line is down"


@pytest.mark.parametrize("draw", [-1, MOST_DRAWS])
def test_a_draw_out_of_bounds_is_refused(draw: int, store: Store) -> None:
    async def again(problem: Problem, plan: Plan | None, ask: Ask) -> str:
        return await ask("student", Prompt("solve", problem, draw=draw))

    with pytest.raises(UsageError, match="of one prompt"):
        solved(Method("again", again, prompts=BEST_OF_N.prompts), model("student", "Answer: 4"), None, store)
