"""Code that a user wrote is part of the identity: a changed method, grader, model or script is another one."""

import asyncio
import importlib
import sys
from collections.abc import Iterator
from functools import partial, wraps
from inspect import isclass
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest

import stepdown as sd
from stepdown import types
from stepdown.custom import CustomModel
from stepdown.errors import UsageError
from stepdown.graders import judged_by, load_grader, named
from stepdown.methods import METHODS, code_of_method
from stepdown.models import RecordedModel, index_replies
from stepdown.prompts import DEFAULT, PromptSet
from stepdown.runner import Task, run_task
from stepdown.runner.calls import Calls
from stepdown.runner.deltas import finished
from stepdown.runner.rerun import solve_again
from stepdown.store import Store
from stepdown.types import (
    Ask,
    Capabilities,
    Grade,
    Message,
    Messages,
    Method,
    Plan,
    Problem,
    Prompt,
    Reply,
    Sampling,
)
from stepdown.usercode import code_of, source_of
from worlds import LastWord, student, sums

TEXT = """
from stepdown.custom import CustomModel

WORD = {word!r}
TABLE = {{"a": {word!r}}}

def helper(): return WORD

async def solve(problem, plan, ask): return await ask("student", {said})

async def grade(problem, solution):
    from stepdown.types import Grade
    return Grade("right" if {said} in solution else "wrong", "found")

class Mine(CustomModel):
    name = "mine"
    def __init__(self, text=""): self.text, self.count, self.kept, self.api_key = text, 0, [], "k"
    async def reply(self, messages, sampling, n=1):
        from stepdown.types import Reply
        self.count += 1
        self.kept.append(messages)
        return [Reply({said} + self.text, "mine")] * n
"""
SAYINGS = ['"plainly"', '"otherwise"', "WORD", "helper()", 'TABLE["a"]', 'f"{WORD}!"']


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A function that writes a user's module anew and loads it."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def load(said: str, word: str = "x") -> ModuleType:
        (tmp_path / "own_program.py").write_text(TEXT.format(said=said, word=word))
        sys.modules.pop("own_program", None)
        importlib.invalidate_caches()
        return importlib.import_module("own_program")

    yield load
    sys.modules.pop("own_program", None)


@pytest.mark.parametrize("said", SAYINGS)
@pytest.mark.parametrize("part", ["solve", "grade", "Mine"])
def test_code_is_the_same_when_loaded_again_and_another_when_changed(program: Any, part: str, said: str) -> None:
    first = code_of(getattr(program(said), part))
    assert len(first) == 8 and first == code_of(getattr(program(said), part))
    assert first != code_of(getattr(program('"changed"'), part))
    if "WORD" in said or "helper" in said or "TABLE" in said:
        assert first != code_of(getattr(program(said, word="y"), part))


def test_code_that_was_edited_since_it_was_loaded_is_not_taken_for_the_text_on_disk(program: Any) -> None:
    old = program('"plainly"')
    before = code_of(old.solve)
    assert "plainly" in Path(old.__file__).read_text()
    new = program('"afterwards"')
    assert code_of(old.solve) not in {code_of(new.solve), ""} and before != code_of(new.solve)


def method(text: str) -> Method:
    async def solve(problem: Problem, plan: Plan | None, ask: Ask) -> str:
        return await ask("student", text)

    return Method("mine", solve)


def solved(store: Store, mine: Method, *, model: Any = None, grader: Any = None) -> Any:
    model = model or sd.ScriptedModel(lambda messages, *_: f"Answer: {len(messages[-1].content)}", "student")
    task = Task(problems=sums(3), method=mine, student=model, grader=grader or load_grader())
    return asyncio.run(run_task(task, store)).run


def test_a_changed_method_of_the_same_name_is_another_run(store: Store) -> None:
    runs = [solved(store, method(text)) for text in ("a", "longer", "a")]
    assert runs[0].id == runs[2].id != runs[1].id
    assert [run.trace("sums/test/0").solution for run in runs] == ["Answer: 1", "Answer: 6", "Answer: 1"]


def test_a_method_that_declares_its_version_may_change_its_text(store: Store) -> None:
    one, other = (msgspec.structs.replace(method(text), version="7") for text in ("a", "b"))
    assert solved(store, one).id == solved(store, other).id
    assert solved(store, msgspec.structs.replace(one, version="8")).id != solved(store, one).id


def test_our_methods_are_known_by_their_names_and_others_under_these_names_are_not() -> None:
    assert {code_of_method(one) for one in METHODS.values()} == {""}
    wrapped = wraps(METHODS["direct"].solve)(method("mine").solve)
    others = [Method("direct", METHODS["chain-of-thought"].solve), Method("direct", wrapped),
              Method("direct", partial(METHODS["direct"].solve)), Method("other", METHODS["direct"].solve)]  # fmt: skip
    codes = [code_of_method(one) for one in others]
    assert all(codes) and len(set(codes)) == len(codes)


def test_a_run_of_somebodys_own_method_is_not_solved_again_by_ours_of_that_name(store: Store) -> None:
    traced = METHODS["trace-of-thought"]
    own = msgspec.structs.replace(traced, solve=method("mine").solve)
    task = Task(problems=sums(1), method=own, student=student(), teacher=student(), grader=load_grader())
    run = asyncio.run(run_task(task, store)).run
    plan = Plan("1. Add.", "Ann", edited_from="1. Take.")
    with pytest.raises(UsageError, match="a method of somebody's own"):
        asyncio.run(finished(solve_again(run, "sums/test/0", plan=plan, student=student(), calls=Calls(store))))


# -- graders


class Same:
    """A grader whose verdict is given; two of these are changed code under one name."""

    def __init__(self, verdict: Any, name: Any = "mine") -> None:
        self.verdict, self.name = verdict, name

    async def __call__(self, problem: Problem, solution: str) -> Grade:
        return Grade(self.verdict, grader="whatever")


def test_a_changed_grader_of_the_same_name_grades_anew(store: Store) -> None:
    runs = [solved(store, METHODS["direct"], grader=Same(verdict)) for verdict in ("right", "wrong")]
    assert runs[0].id == runs[1].id and len(runs[0].graders()) == 2
    assert all(name.startswith("mine@") and len(name) == 13 for name in runs[0].graders())
    assert runs[1].summary().right == 0 and {grade.verdict for _, grade in runs[1].graded()} == {"wrong"}
    sd.grade(runs[1], Same("right"))
    assert len(runs[0].graders()) == 2 and runs[0].summary().right == 3


async def by_length(problem: Problem, solution: str) -> Grade:
    return Grade("right" if len(solution) > 3 else "wrong")


def plainly(problem: Problem, solution: str) -> Grade:
    return Grade("right")


@pytest.mark.parametrize(("grader", "name"), [(by_length, "by_length"), (plainly, "plainly"), (Same("right"), "mine")])
def test_a_grader_is_named_by_its_name_or_its_function_and_its_code(store: Store, grader: Any, name: str) -> None:
    run = solved(store, METHODS["direct"], grader=grader)
    assert run.grader == f"{name}@{code_of(grader)}" and run.summary().right == 3
    assert {grade.grader for _, grade in run.graded()} == {run.grader}


@pytest.mark.parametrize(
    "grader", [lambda *_: Grade("right"), Same("right", ""), Same("right", None), partial(plainly)],
    ids=["lambda", "empty", "none", "partial"],
)  # fmt: skip
def test_a_grader_without_a_name_is_refused_before_anything_is_asked(store: Store, grader: Any) -> None:
    model = student()
    with pytest.raises(UsageError, match="has no name"):
        solved(store, METHODS["direct"], model=model, grader=grader)
    assert model.calls == [] and store.runs() == []


@pytest.mark.parametrize("name", ["default", "strict@1", "judge:openai/gpt-4o", "mine+person"])
def test_a_grader_does_not_take_the_name_of_one_of_ours(name: str) -> None:
    with pytest.raises(UsageError, match=r"of stepdown's own"):
        named(Same("right", name))


def test_a_graders_version_stands_for_its_code_and_our_graders_keep_their_names() -> None:
    assert named(LastWord()).name == "last-word@1"
    other = LastWord()
    other.version = "2"
    assert named(other).name == "last-word@2"
    assert named(load_grader()) == load_grader() or named(load_grader()).name.startswith("default@")
    assert named(named(Same("right"))).name == named(Same("right")).name


def test_what_is_no_grade_is_said_with_the_graders_name(store: Store) -> None:
    with pytest.raises(UsageError, match="returned `str`, not a `Grade`"):
        solved(store, METHODS["direct"], grader=says_yes)


async def says_yes(problem: Problem, solution: str) -> str:
    return "yes"


# -- models


def test_a_changed_model_of_the_same_name_is_asked_anew(program: Any, store: Store) -> None:
    def texts(model: Any) -> set[str | None]:
        return {trace.solution for trace in solved(store, METHODS["direct"], model=model).traces()}

    said = [texts(program(text).Mine(more)) for text, more in (('"a"', ""), ('"b"', ""), ('"a"', "!"), ('"a"', ""))]
    assert said == [{"a"}, {"b"}, {"a!"}, {"a"}] and len(store.runs()) == 3


def test_what_a_model_counts_and_its_key_are_not_its_identity(program: Any, store: Store) -> None:
    model = program('"a"').Mine()
    before = source_of(model)
    solved(store, METHODS["direct"], model=model)
    assert (model.count, len(model.kept)) == (3, 3)
    model.api_key = "another"
    assert source_of(model) == before == source_of(program('"a"').Mine())
    model.text = "!"
    assert source_of(model) != before


def test_a_models_source_or_version_stands_for_its_code(program: Any) -> None:
    model = program('"a"').Mine()
    model.version = 3
    assert source_of(model) == "version/3"
    model.capabilities = Capabilities(source="")
    assert source_of(model) == ""


def test_our_class_for_a_users_models_is_no_part_of_their_code(program: Any) -> None:
    derived = program('"a"').Mine
    plain = type("Mine", (object,), dict(vars(derived)))
    assert derived.__bases__ == (CustomModel,) and code_of(derived()) == code_of(plain())


SCRIPTS: list[Any] = [["a"], ["b"], {"x": "a"}, {"x": "b"}, [Reply("a", "m")], [Reply("a", "m", finish="length")],
                      [ValueError("a")], lambda *_: "a", lambda *_: "b", ]  # fmt: skip


def test_every_script_is_a_source_of_its_own_unless_a_version_is_declared() -> None:
    sources = [sd.ScriptedModel(script, "m").capabilities.source for script in SCRIPTS]
    assert len(set(sources)) == len(SCRIPTS) and all((one or "").startswith("scripted/") for one in sources)
    assert sources == [sd.ScriptedModel(script, "m").capabilities.source for script in SCRIPTS]
    assert {sd.ScriptedModel(script, "m", version="1").capabilities.source for script in SCRIPTS} == {"scripted/1"}


def test_a_script_that_holds_its_own_model_has_an_end() -> None:
    class Player:
        def __init__(self, text: str) -> None:
            self.text, self.model = text, sd.ScriptedModel(self.answer, "m")

        def answer(self, *_: object) -> str:
            return self.text

    assert source_of(Player("a").model) == source_of(Player("a").model) != source_of(Player("b").model)


def test_a_recording_is_known_by_what_it_holds() -> None:
    def recorded(text: str) -> RecordedModel:
        messages: Messages = (Message("user", "What?"),)
        return RecordedModel("mine", index_replies([(messages, Reply(text, "m"))]))

    assert source_of(recorded("a")) == source_of(recorded("a")) != source_of(recorded("b"))


def test_a_judge_of_ones_own_says_its_code_in_the_graders_name() -> None:
    names = {judged_by(sd.ScriptedModel([text], "judge")).name for text in ("RIGHT", "WRONG")}
    assert len(names) == 2 and all(name.startswith("judge:judge@") for name in names)


def test_words_that_are_rendered_by_ones_own_code_are_other_words() -> None:
    class Shouting(PromptSet, frozen=True, kw_only=True):
        def render(self, method: Method, prompt: Prompt) -> Messages:
            return tuple(Message(one.role, one.content.upper()) for one in super().render(method, prompt))

    loud = Shouting(**msgspec.structs.asdict(DEFAULT))
    assert loud.fingerprint != DEFAULT.fingerprint


# -- code of any kind


def closed(words: Any) -> Any:
    return lambda: words


def test_code_says_closures_defaults_and_which_lambda_of_a_line_it_is() -> None:
    one, other = (lambda: "a"), (lambda: "b")
    codes = [code_of(thing) for thing in (one, other, closed("a"), closed("b"), closed(["a"]), closed({"a": 1}),
                                          partial(plainly, solution="a"), partial(plainly, solution="b"))]  # fmt: skip
    assert len(set(codes)) == len(codes)


def test_code_without_a_text_is_known_by_what_was_compiled() -> None:
    spaces: list[dict[str, Any]] = [{}, {}, {}]
    for space, text in zip(spaces, ("1", "2", "1"), strict=True):
        exec(f"def own(): return {text}", space)
    one, two, same = (code_of(space["own"]) for space in spaces)
    assert one == same != two


def test_what_code_counts_and_notes_while_it_works_is_left_out() -> None:
    count, noted = 0, list[str]()

    def speak(*_: object) -> str:
        nonlocal count
        count += 1
        noted.append("x")
        return f"{count}"

    before = code_of(speak)
    speak()
    assert (count, noted) == (1, ["x"]) and code_of(speak) == before


def test_what_has_no_end_says_the_way_out() -> None:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(UsageError, match="say `version"):
        code_of(closed(nested))


def test_half_a_pair_of_surrogates_in_a_script_is_no_reason_to_fail() -> None:
    assert source_of(sd.ScriptedModel(["\ud83d"])) != source_of(sd.ScriptedModel(["?"]))


def test_greedy_is_said_as_it_was() -> None:
    assert Sampling() == sd.Sampling(temperature=0)


def test_a_noun_has_the_name_by_which_code_that_uses_it_was_stored() -> None:
    nouns = [one for name in types.__all__ if isclass(one := getattr(types, name))]
    assert len(nouns) > 15 and {one.__module__ for one in nouns} == {"stepdown.types"}
