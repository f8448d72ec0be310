"""Audits find leaks, faulty plans, bad endings, who is to blame, and the plans most worth an edit."""

import time

import pytest

from real_data import TRACES, whole
from stepdown.audits import Audit, audit, contradicts, faults, leak, leakage, leaked, loops, termination_faults
from stepdown.errors import UsageError
from stepdown.exchange import import_traces
from stepdown.store import Run, Store
from stepdown.types import Call, Finish, Grade, Message, Plan, Problem, Reply, Sampling, Settings, Trace, Usage, Verdict

SUM = Problem("d/test/0", "Ann has 30 pens and buys 12 more. How many pens has she?", "42")


def plan(text: str) -> Plan:
    return Plan(text, author="t")


# -- leakage


@pytest.mark.parametrize("text", ["Add 30 and 12 to get 42.", "1. Add.\n2. She has 42 pens.", "30 + 12 = 42"])
def test_a_plan_that_holds_the_gold_leaks(text: str) -> None:
    assert leak(SUM, plan(text)).gold


def test_numbers_of_steps_are_no_values() -> None:
    steps = "\n".join(f"**Step {number}:** Add one." for number in range(1, 43)) + "\n42. See steps 41 and 42."
    assert not leak(SUM, plan(steps)).gold and leak(SUM, plan(steps)).computed == ()


def test_a_gold_that_the_question_holds_cannot_be_assessed() -> None:
    problem = Problem("d/test/1", "Of forty-two pens he loses none. How many has he?", "42")
    assert leak(problem, plan("He has 42.")) == leak(problem, plan("Count."))
    assert not leak(problem, plan("He has 42.")).assessable


def test_computed_values_are_those_neither_given_nor_common() -> None:
    problem = Problem("d/test/2", "A shop takes 20% off $150 for 3 weeks. What is the price?", "120")
    found = leak(problem, plan("Multiply 150 by 0.2 or 20/100, that is 30 of 100, over 7 days; not 37.5 or 113."))
    assert found.computed == ("37.5", "113")


def test_the_last_step_may_state_the_answer() -> None:
    assert leak(SUM, plan("1. Add.\n2. Answer 42.")).last_step
    assert not leak(SUM, plan("1. Get 42.\n2. Say it.")).last_step


def test_formulas_leak_by_their_text_and_choices_by_their_words() -> None:
    formula = Problem("m/0", "Solve for $x$.", r"\left(-\infty,0\right)", kind="expression")
    choice = Problem("c/0", "Where do fish live?", "B", choices=("in trees", "in water"), kind="choice")
    assert leak(formula, plan(r"Show that it is $(-\infty, 0)$.")).gold
    assert not leak(formula, plan(r"Show that it is $(-\infty, 0.5)$.")).gold
    assert leak(choice, plan("They live in water.")).gold
    assert not leak(choice, plan("Compare in trees with in water.")).gold


def test_accuracy_is_given_with_and_without_leaked_plans() -> None:
    given: list[tuple[str, Verdict]] = [
        ("Get 42.", "right"),
        ("Add.", "wrong"),
        ("Add both.", "right"),
        ("Sum up.", "ungraded"),
    ]
    verdicts = [(Trace(SUM, "trace-of-thought", plan(text)), Grade(verdict)) for text, verdict in given]
    found = leakage(verdicts)
    assert (str(found.everything), str(found.without_leaked)) == ("2 / 3 / 4", "1 / 2 / 3")
    assert (found.plans, found.leaked, found.not_assessable) == (4, 1, 0)
    assert leaked(verdicts[0][0]) and not leaked(verdicts[1][0])


# -- plans


@pytest.mark.parametrize(
    "text",
    [
        "Do not solve the problem yet.",
        "**Remember:** Don't try to solve it!",
        "You’re not solving the problem at this stage.",
        "Write the sum down without actually solving it.",
    ],
)
def test_a_plan_that_forbids_solving_is_faulty(text: str) -> None:
    assert [fault.kind for fault in faults(SUM, plan("1. Add.\n\n" + text))] == ["forbids solving"]


@pytest.mark.parametrize(
    "text",
    [
        "Solve for x. If it does not fit, solve again.",
        "These prompts guide a student through the problem without solving it.",
        "Leave out those who do not swim. Solve the rest.",
    ],
)
def test_a_plan_that_lets_the_student_solve_is_not(text: str) -> None:
    assert faults(SUM, plan(text)) == ()


@pytest.mark.parametrize("text", ["Pens: _______", r"Write \boxed{}", "Total = ???", "The sum is [ ]."])
def test_blanks_to_fill_in_are_a_fault(text: str) -> None:
    assert [(fault.kind, fault.quote) for fault in faults(SUM, plan(text))] == [("leaves blanks", text)]


def test_a_restated_question_is_a_fault() -> None:
    assert [fault.kind for fault in faults(SUM, plan(f"Problem: {SUM.question}\n1. Add."))] == ["restates the question"]


def test_a_plan_that_calculates_twice_or_ends_with_the_answer_solves() -> None:
    twice = "Do 30 + 12 = 42 pens. Do 42 * 2 = 84."
    assert [fault.kind for fault in faults(SUM, plan(twice))] == ["solves"]
    assert [fault.kind for fault in faults(SUM, plan("1. Add.\n2. It is 42."))] == ["solves"]
    assert faults(SUM, plan("Write 30 + 12 = x and 5x + 3 = 17.")) == ()


# -- endings


def solved(text: str, *, finish: Finish = "stop", output: int = 9) -> Trace:
    reply = Reply(text, "s", Usage(input=1, output=output), finish)
    return Trace(
        SUM, "direct", calls=(Call("student", "s", (Message("user", "q"),), Sampling(), reply),), solution=text
    )


def test_a_loop_is_a_runaway_even_if_its_numbers_count_up() -> None:
    text = "First. " + "".join(f"Step {number}: divide the rest by two again.\n" for number in range(90))
    assert loops(text) and termination_faults(solved(text)) == ("runaway",)
    assert not loops(" ".join(str(SUM) for _ in range(2))) and not loops("No. " * 9)
    assert not loops("") and not loops("so") and loops("x" * 250)


def test_a_reply_at_its_limit_is_truncated_and_twenty_thousand_tokens_run_away() -> None:
    assert termination_faults(solved("and", finish="length")) == ("truncated",)
    assert termination_faults(solved("and", output=20_480)) == ("runaway",)
    assert termination_faults(solved("She has 42 pens.")) == ()


@pytest.mark.parametrize(
    ("text", "different"),
    [
        ("So, the final answer is: 106.\n\nThe answer is: 54.", True),
        (r"is $\boxed{4}$.\n\nThe answer is: 8.", True),
        (r"is $\boxed{0.5}$.\n\nThe answer is: \frac{1}{2}.", False),
        ("The answer is: 48 and that is half of 96.", False),
        ("The answer is 5." + " Go on." * 90 + " The final answer is 7.", False),
    ],
)
def test_two_different_final_answers_contradict(text: str, different: bool) -> None:
    assert contradicts(text.replace("\\n", "\n")) is different


@pytest.mark.slow
@pytest.mark.parametrize("letter", ["_", "1", "[", "not ", "\\", "the answer is ", "1+", "\\text{", "step 1 and ", " "])
def test_hostile_text_takes_linear_time(letter: str) -> None:
    text = letter * (200_000 // len(letter))
    start = time.process_time()
    faults(SUM, plan(text))
    termination_faults(solved(text))
    assert time.process_time() - start < 10


# -- blame and edits


def play(
    store: Store, student: str, text: str, verdict: Verdict, *, second: Verdict | None = None, other: str = "judge:m"
) -> Run:
    """A run of one problem by one student with one plan, or without one where the text is empty."""
    method = "trace-of-thought" if text else "direct"
    settings = Settings(dataset="d/test", problems="p", count=1, method=method, student=student, origin=text)
    run = store.open_run(settings)
    run.put_trace(0, Trace(SUM, method, plan(text) if text else None, solution="so."))
    run.put_grades([(0, 0, Grade(verdict, grader="default@2"))])
    run.put_grades([(0, 0, Grade(second, grader=f"{other}@1"))] if second else [])
    run.grader = "default@2"
    return run


def blames(found: Audit) -> list[str]:
    return [f"{case.student}: {case.blame}" for case in found.cases]


def test_the_student_is_to_blame_where_another_solves_by_the_same_plan(store: Store) -> None:
    found = audit(play(store, "a", "Add.", "wrong"), play(store, "b", "Add.", "right"))
    assert blames(found) == ["a: student"]


@pytest.mark.parametrize("other", ["Add both.", ""])
def test_the_plan_is_to_blame_where_all_fail_by_it_and_the_student_solves_otherwise(other: str, store: Store) -> None:
    runs = [play(store, "a", "Guess.", "wrong"), play(store, "b", "Guess.", "wrong"), play(store, "a", other, "right")]
    assert blames(audit(*runs)) == ["a: plan", "b: unknown"]


def test_nobody_is_to_blame_where_no_crossing_decides(store: Store) -> None:
    assert blames(audit(play(store, "a", "Add.", "wrong"), play(store, "a", "Sum.", "right"))) == ["a: unknown"]
    assert blames(audit(play(store, "c", "Go.", "wrong"), play(store, "d", "Go.", "wrong"))) == [
        "c: unknown",
        "d: unknown",
    ]


def test_a_grader_is_to_blame_where_another_calls_it_right(store: Store) -> None:
    found = audit(play(store, "a", "Add.", "wrong", second="right"), play(store, "b", "Add.", "right"))
    assert blames(found) == ["a: grader"] and found.runs[0].blame == {"grader": 1}


def test_a_lenient_grader_s_doubt_blames_nobody(store: Store) -> None:
    found = audit(play(store, "a", "Add.", "wrong", second="right", other="lenient"))
    assert blames(found) == ["a: unknown"]


def test_a_cut_text_is_blamed_on_its_limit(store: Store) -> None:
    run = store.open_run(Settings(dataset="d/test", problems="p", count=1, method="direct", student="a"))
    run.put_trace(0, solved("and then", finish="length"))
    run.put_grades([(0, 0, Grade("wrong", grader="default@2"))])
    run.grader = "default@2"
    assert blames(audit(run)) == ["a: truncation"]


def test_plans_that_hurt_most_are_suggested_first(store: Store) -> None:
    bad = "Guess. Do not solve the problem."
    runs = [play(store, student, bad, "wrong") for student in "ab"] + [play(store, "a", "", "right")]
    fine = audit(*runs, play(store, "c", "Add.", "right"))
    (edit,) = fine.edits
    assert (edit.problem, edit.score) == ("d/test/0", 2 * 2 + 3 + 1)
    assert edit.reasons == ("2 of 2 students fail by it", "`a` solves it without the plan", "the plan forbids solving")


def test_a_plan_by_which_a_student_solves_otherwise_is_named_once_by_who_wrote_it(store: Store) -> None:
    failed, other = play(store, "a", "Guess.", "wrong"), play(store, "a", "Add both.", "right")
    assert audit(failed, other).edits[0].reasons == ("its student fails by it", "`a` solves it by another plan")
    other.put_trace(0, Trace(SUM, "trace-of-thought", Plan("Add both.", author="gpt-4"), solution="so."))
    other.put_grades([(0, 0, Grade("right", grader="default@2"))])
    assert audit(failed, other).edits[0].reasons[1] == "`a` solves it by the plan of `gpt-4`"


def test_an_audit_prints_and_is_plain_json(store: Store) -> None:
    found = audit(play(store, "a", "Say 42.", "wrong"))
    assert "1 of 1 plans hold the answer" in str(found) and "0 / 1 / 1 with all plans" in str(found)
    assert found.to_json()["runs"][0]["leakage"]["leaked"] == 1
    with pytest.raises(UsageError):
        audit()


# -- the released traces (PAPERS: 0 to 3 % token matches, 8 to 10 % not assessable, 13 % and 29 % forbid solving)


@pytest.mark.slow
@pytest.mark.whole(*TRACES)
def test_the_released_traces_show_the_known_shares(store: Store) -> None:
    paths = map(whole, TRACES)
    found = {path.stem: audit(import_traces(path, store=store)).runs[0] for path in paths}
    assert len(found) == 8
    for one in found.values():
        assert one.leakage.leaked <= 3 and 12 <= one.leakage.not_assessable <= 22
    # Four are leaks by hand: six at most keeps the precision above 60 %.
    assert 4 <= sum(one.leakage.leaked for one in found.values()) <= 6
    forbids = {name: one.faults.get("forbids solving", 0) for name, one in found.items()}
    assert 20 <= forbids["sot-llama38b-llama38b-gsm8k-05-27-24-traces"] <= 32
    assert 48 <= forbids["sot-llama38b-zephyr-math-05-28-24-traces"] <= 68
    assert max(count for name, count in forbids.items() if "-gpt4-" in name) <= 8
    assert sum(one.endings.get("runaway", 0) for one in found.values()) == 3
