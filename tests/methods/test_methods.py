"""Methods of several calls: what they ask in which order, what is streamed of them, and how they are served and run."""

import asyncio
import json
from pathlib import Path

import pytest

import stepdown as sd
from command_line import speak, write_sums
from faulty_server import faulty_server
from stepdown.cli import main
from stepdown.errors import UsageError
from stepdown.methods import LEAST_TO_MOST, METHODS, SELF_REFINE, load_method, summary_of
from stepdown.methods.least_to_most import MOST_PARTS, parts_of
from stepdown.models import ScriptedModel
from stepdown.runner import Calls, Delta, Task, stream_one
from stepdown.store import Store, StoredTrace
from stepdown.types import Ask, Method, Plan, Problem, Prompt
from worlds import LastWord, sums

EGGS = Problem("eggs/0", "Ann has 3 eggs and buys twice as many. How many has she?", "9")
PARTS = "Here is the list:\n1. How many does she buy?\n2) Do any break?\n- How many does she buy?"


def texts(model: ScriptedModel) -> list[str]:
    return [call.messages[-1].content for call in model.calls]


def streamed(method: Method, model: ScriptedModel, store: Store) -> tuple[str, StoredTrace]:
    async def work() -> list[Delta | StoredTrace]:
        task = Task(problems=sums(1), method=method, student=model, grader=LastWord())
        return [one async for one in stream_one(task, EGGS, Calls(store))]

    *pieces, row = asyncio.run(work())
    assert isinstance(row, StoredTrace)
    return "".join(piece.text for piece in pieces if isinstance(piece, Delta)), row


def splitting() -> ScriptedModel:
    return ScriptedModel(
        {"simpler questions": PARTS, "Use these answers": "Answer: 9", "break?": "No.", "does she buy?": "She buys 6."}
    )


def test_least_to_most_answers_the_parts_in_order_with_the_earlier_answers(store: Store) -> None:
    model = splitting()
    said, row = streamed(LEAST_TO_MOST, model, store)
    decompose, first, second, last = texts(model)
    assert "list" in decompose and first.endswith("How many does she buy?") and "Answer:" not in first
    assert "Question: How many does she buy?\nAnswer: She buys 6." in second and second.endswith("Do any break?")
    assert "Answer: She buys 6." in last and "Answer: No." in last and EGGS.question in last
    assert (said, row.trace.solution, len(row.trace.calls)) == ("Answer: 9", "Answer: 9", 4)


def test_a_reply_without_a_list_is_answered_as_a_whole(store: Store) -> None:
    model = ScriptedModel({"simpler questions": "There are none.", "How many": "Answer: 9"})
    assert streamed(LEAST_TO_MOST, model, store)[1].trace.solution == "Answer: 9" and len(model.calls) == 2


@pytest.mark.parametrize("text", ["1. a\n" * 99, "\n".join(f"{n}. part {n}" for n in range(99)), "- " * 99_999])
def test_a_long_list_is_cut(text: str) -> None:
    assert len(parts_of(text)) <= MOST_PARTS


def refining(*feedback: str) -> ScriptedModel:
    said = iter(feedback)
    answers = iter(["Answer: 1", "Answer: 2", "Answer: 3"])
    return ScriptedModel(
        lambda messages, *_: next(said if "Check this solution" in messages[-1].content else answers), "student"
    )


@pytest.mark.parametrize(
    ("feedback", "solution", "calls"),
    [(("Nothing to change.",), "Answer: 1", 2), (("Wrong.", "nothing to change"), "Answer: 2", 4),
     (("Wrong.", "Wrong again."), "Answer: 3", 5)],
)  # fmt: skip
def test_self_refine_goes_on_until_nothing_is_to_change(
    feedback: tuple[str, ...], solution: str, calls: int, store: Store
) -> None:
    model = refining(*feedback)
    said, row = streamed(SELF_REFINE, model, store)
    assert (said, row.trace.solution, len(row.trace.calls)) == (solution, solution, calls)
    assert row.trace.answer and row.trace.answer.reply.text == solution
    assert all(one in "".join(texts(model)) for one in feedback if one.startswith("Wrong"))


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if not method.shows_examples])
def test_what_is_streamed_of_a_method_is_the_solution_that_is_kept(name: str, store: Store) -> None:
    async def work() -> list[Delta | StoredTrace]:
        student = ScriptedModel(lambda *_: "Twice 3 is 6.\n\nAnswer: 9", "student")
        teacher = ScriptedModel(lambda *_: "1. Double 3.\n2. Add 3.", "teacher")
        task = Task(problems=sums(1), method=METHODS[name], student=student, teacher=teacher, grader=LastWord())
        return [one async for one in stream_one(task, EGGS, Calls(store))]

    *pieces, row = asyncio.run(work())
    assert isinstance(row, StoredTrace)
    assert "".join(one.text for one in pieces if isinstance(one, Delta) and one.role == "student") == row.trace.solution


def test_a_method_that_goes_on_after_a_final_prompt_is_refused(store: Store) -> None:
    async def again(problem: Problem, plan: Plan | None, ask: Ask) -> str:
        return "".join([await ask("student", Prompt("solve", problem, final=True)) for _ in range(2)])

    method = Method("again", again, prompts=METHODS["direct"].prompts)
    with pytest.raises(UsageError, match="after a final prompt"):
        streamed(method, ScriptedModel(["Answer: 9"]), store)


def test_a_method_may_ask_its_teacher_while_solving(store: Store) -> None:
    async def hinted(problem: Problem, plan: Plan | None, ask: Ask) -> str:
        hint = await ask("teacher", Prompt("hint", problem))
        return await ask("student", Prompt("solve", problem, values={"hint": hint}, final=True))

    words = {"hint": "Hint at {question}", "solve": "{question} Hint: {hint}"}
    method = Method("hinted", hinted, prompts=words, roles={"hint": "teacher"})
    models = {"student": ScriptedModel(["Answer: 9"], "small"), "teacher": ScriptedModel(["Add {steps}."], "large")}
    task = Task(problems=sums(1), method=method, grader=LastWord(), **models)  # type: ignore[arg-type]
    [outcome] = sd.run_tasks([task], store)
    [trace] = outcome.run.traces()
    assert outcome.run.settings.teacher == "large" and [call.role for call in trace.calls] == ["teacher", "student"]
    assert trace.calls[1].messages[-1].content.endswith("Hint: Add {steps}.")
    with pytest.raises(UsageError, match="asks a teacher, and there is none"):
        Task(problems=sums(1), method=method, grader=LastWord(), student=models["student"]).check()


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_method_has_words_and_a_role_for_every_prompt_it_names(method: Method) -> None:
    assert method.prompts and set(method.roles) <= set(method.prompts)
    assert all(load_method(name) is method for name in (method.name, *method.aliases))
    assert all("{question}" in text for text in method.prompts.values())


def test_they_stand_in_a_grid_and_in_its_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_sums(2)
    with faulty_server(speak=speak) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        assert main(["run", "sums.jsonl", "--method", "ltm,self-refine", "--student", "openai/student", "--json"]) == 0
        assert len(server.bodies) == 2 * (2 + 3), "what is asked twice in the same words is asked once"
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["method"], row["right"], row["total"]) for row in rows] == [
        ("least-to-most", 2, 2),
        ("self-refine", 2, 2),
    ]
    assert main(["report"]) == 0
    shown = capsys.readouterr().out
    assert "least-to-most" in shown and "self-refine" in shown


def test_each_method_says_in_a_sentence_what_it_does_and_who_described_it() -> None:
    summaries = {name: summary_of(name) for name in METHODS}
    assert summaries["trace-of-thought"].startswith("A teacher plans, the student solves by the plan. ")
    assert all(one[0].isupper() and one.endswith(".") and len(one) < 160 for one in summaries.values())
