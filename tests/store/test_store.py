"""The store keeps what it was given, finds it again, and refuses what it must not touch."""

import sqlite3
from pathlib import Path

import pytest

from stepdown.errors import StoreError, UnknownName
from stepdown.store import Store, StoredCall, call_key
from stepdown.types import GREEDY, Call, Grade, Message, Plan, Problem, Reply, Sampling, Settings, Trace, Usage

SETTINGS = Settings(dataset="sums/test", problems="f" * 32, count=3, method="trace-of-thought", student="small")
QUESTION = (Message("user", "What is 1 plus one?"),)


def problem(number: int) -> Problem:
    return Problem(f"sums/test/{number}", f"What is {number} plus one?", str(number + 1))


def trace(number: int, sample: int = 0, error: str | None = None) -> Trace:
    asked = problem(number)
    messages = (Message("user", asked.question),)
    plan = Call("teacher", "big", messages, GREEDY, Reply("1. Add.", "big", Usage(5, 3)))
    solution = Call("student", "small", messages, Sampling(0.7), Reply("2", "small", Usage(9, 1)), sample)
    return Trace(asked, "trace-of-thought", Plan("1. Add.", "big"), (plan, solution), "2", error, sample)


def test_a_trace_comes_back_as_it_was_put(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite") as store:
        run = store.open_run(SETTINGS)
        run.put_trace(0, trace(0))
        assert list(run.traces()) == [trace(0)]
        assert run.trace("sums/test/0") == trace(0)


def test_a_call_keeps_its_first_reply(tmp_path: Path) -> None:
    key = call_key("m", "", QUESTION, GREEDY, 0)
    with Store(tmp_path / "s.sqlite") as store:
        for text in ("first", "second"):
            store.put_calls([StoredCall(key, "m", "", QUESTION, GREEDY, 0, Reply(text, "m"), "run")])
        assert store.replies([key])[key].text == "first"


@pytest.mark.parametrize(
    "other",
    [
        call_key("other", "", QUESTION, GREEDY, 0),
        call_key("m", "http://elsewhere", QUESTION, GREEDY, 0),
        call_key("m", "", (*QUESTION, Message("assistant", "2")), GREEDY, 0),
        call_key("m", "", QUESTION, Sampling(max_tokens=7), 0),
        call_key("m", "", QUESTION, GREEDY, 1),
    ],
)
def test_whatever_could_change_the_reply_makes_another_call(other: bytes) -> None:
    assert other != call_key("m", "", QUESTION, GREEDY, 0)


def test_the_same_settings_are_the_same_run(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite") as store:
        assert store.open_run(SETTINGS).id == store.open_run(SETTINGS).id == SETTINGS.id
        assert len(store.runs()) == 1


def test_a_plan_that_samples_share_is_counted_once(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite") as store:
        run = store.open_run(SETTINGS)
        for sample in range(3):
            run.put_trace(0, trace(0, sample))
        assert run.summary().tokens == {"teacher": Usage(5, 3), "student": Usage(27, 3)}
        counted = [call for one in run.traces() for call in one.calls if not call.reply.cached]
        assert [call.role for call in counted].count("teacher") == 1


def test_unknown_usage_makes_the_sum_unknown(tmp_path: Path) -> None:
    silent = Call("student", "small", QUESTION, GREEDY, Reply("2", "small"))
    with Store(tmp_path / "s.sqlite") as store:
        run = store.open_run(SETTINGS)
        run.put_trace(0, Trace(problem(0), "direct", None, (silent,), "2"))
        assert run.summary().tokens == {"student": None}


def test_a_payment_of_unknown_usage_is_bounded_from_above(tmp_path: Path) -> None:
    silent = Call("student", "small", QUESTION, GREEDY, Reply("two" * 50, "small"))
    with Store(tmp_path / "s.sqlite") as store:
        run = store.open_run(SETTINGS)
        run.put_trace(0, Trace(problem(0), "direct", None, (silent,), "2"))
        ((_, paid),) = store.paid([run.id])
        assert paid.input >= len("What is 1 plus one?") and paid.output >= 150


def test_views_stream_more_rows_than_a_page(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite") as store, store.writing():
        run = store.open_run(SETTINGS)
        for number in range(600):
            run.put_trace(number, trace(number))
        assert [one.problem.id for one in run.traces()] == [f"sums/test/{n}" for n in range(600)]


def test_grades_of_several_graders_stand_side_by_side(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite") as store:
        run = store.open_run(SETTINGS)
        run.put_trace(0, trace(0))
        run.put_grades([(0, 0, Grade("right", "2", "", "lenient")), (0, 0, Grade("wrong", None, "", "strict"))])
        assert run.graders() == ["lenient", "strict"]
        assert [grade.verdict for _, grade in run.graded("strict")] == ["wrong"]
        assert [grade.verdict for _, grade in run.graded("never-used")] == ["ungraded"]


def test_a_trace_that_is_put_again_forgets_its_grades(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite") as store:
        run = store.open_run(SETTINGS)
        run.put_trace(0, trace(0))
        run.put_grades([(0, 0, Grade("right", "2", "", "g"))])
        run.put_trace(0, trace(0, error="cut off"))
        assert [grade.verdict for _, grade in run.graded("g")] == ["ungraded"]


def test_done_are_the_places_solved_and_graded_in_all_samples(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite") as store:
        run = store.open_run(SETTINGS)
        run.grader = "g"
        for number, sample, error in ((0, 0, None), (0, 1, None), (1, 0, None), (2, 0, None), (2, 1, "failed")):
            run.put_trace(number, trace(number, sample, error))
            run.put_grades([(number, sample, Grade("right", "2", "", "g"))])
        assert list(run.done(samples=2)) == [0]
        assert list(run.done(samples=1)) == [0, 1, 2]


def test_an_edit_takes_the_place_of_the_plan_and_remembers_it(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite") as store:
        run = store.open_run(SETTINGS)
        run.put_trace(0, trace(0))
        run.put_edit("sums/test/0", Plan("1. Add.", "big").edit("Add 1.", author="ann", why="clearer"))
        ((_, plan),) = run.plans()
        assert (plan.text, plan.author, plan.edited_from, plan.why) == ("1. Add 1.", "ann", "1. Add.", "clearer")


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite") as store:
        run = store.open_run(SETTINGS)
        with pytest.raises(RuntimeError, match="boom"), store.writing():
            run.put_trace(0, trace(0))
            raise RuntimeError("boom")
        assert len(run) == 0


def test_a_newer_store_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    Store(path).close()
    with sqlite3.connect(path) as db:
        db.execute("pragma user_version = 999")
    db.close()
    with pytest.raises(StoreError, match="schema version 999"):
        Store(path)


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("create table mine (x)")
    db.close()
    with pytest.raises(StoreError, match="another program"):
        Store(path)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("these are notes, and long enough to be taken for a damaged database header " * 20)
    with pytest.raises(StoreError, match="cannot open"):
        Store(path)
    assert path.read_text().startswith("these are notes")


def test_a_run_is_found_by_the_beginning_of_its_id(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite") as store:
        run = store.open_run(SETTINGS)
        assert store.run(run.id[:4]).id == run.id
        with pytest.raises(UnknownName, match="no run `zzz`"):
            store.run("zzz")
