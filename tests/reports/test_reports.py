"""Reports of stored runs, their figures worked out by hand."""

import pytest
from msgspec.structs import replace

from stepdown.errors import UnknownName, UsageError
from stepdown.reports import disagreements, report
from stepdown.stats import clustered_interval, gain_interval, holm, mcnemar_exact, paired_interval, wilson
from stepdown.store import Run, Store
from stepdown.text import plans_of
from stepdown.text.figures import short
from stepdown.types import (
    Call,
    Finish,
    Grade,
    Message,
    Plan,
    Problem,
    Reply,
    Role,
    Sampling,
    Settings,
    Trace,
    Usage,
    Verdict,
)
from stored_runs import LETTERS, USUAL, keep_run

SMALL, BIG = "embedded/small", "openai/big"


class Dollars:
    """A dollar per thousand tokens of the big model, nothing for the small one, `dear` unknown."""

    def cost(self, model: str, usage: Usage | None, /) -> float | None:
        if model == SMALL:
            return 0.0
        return None if usage is None or model == "dear" else (usage.input + usage.output) / 1000


def lettered(store: Store, verdicts: str, method: str = "direct", **settings: object) -> Run:
    """A run over one problem per letter: r right, w wrong, - ungraded; `10` output tokens per reply."""
    made = replace(USUAL, method=method, problems="p", **{"student": SMALL, "count": len(verdicts)} | settings)
    graded = enumerate(verdicts)
    rows = [[(a_trace(made, n), a_grade(n, LETTERS[letter]))] for n, letter in graded]
    return keep_run(store, rows, settings=made, count=made.count)


def a_trace(settings: Settings, ordinal: int, sample: int = 0, plan: Plan | None = None) -> Trace:
    problem = Problem(f"sums/test/{ordinal}", f"How many is {ordinal} and one?", str(ordinal + 1))
    roles: list[tuple[Role, str]] = [("teacher", settings.teacher)] if settings.teacher else []
    roles.append(("student", settings.student))
    calls = tuple(a_call(role, model, f"{settings.method} {ordinal}", sample) for role, model in roles)
    plan = plan or (Plan("1. Add.\n2. Say.", settings.teacher) if settings.teacher else None)
    return Trace(problem, settings.method, plan, calls, "text", sample=sample)


def a_call(role: Role, model: str, words: str, sample: int = 0) -> Call:
    reply = Reply("text", model, Usage(input=90, output=10), seconds=0.5)
    return Call(
        role, model, (Message("user", f"{role} {words}"),), Sampling(), reply, sample if role == "student" else 0
    )


def a_grade(ordinal: int, verdict: Verdict, found: str | None = None) -> Grade:
    found = found or {"right": str(ordinal + 1), "wrong": "99", "ungraded": None}[verdict]
    return Grade(verdict, found, "read", "default@2")


def grade(run: Run, ordinal: int, verdict: Verdict, found: str | None = None, sample: int = 0) -> None:
    run.put_grades([(ordinal, sample, a_grade(ordinal, verdict, found))])


def test_a_row_counts_right_graded_and_total_apart(store: Store) -> None:
    [row] = report(lettered(store, "rrw-r", count=7)).rows
    assert (row.right, row.graded, row.total, row.ungraded) == (3, 4, 7, 3)
    assert row.accuracy == 0.75
    assert (row.low, row.high) == wilson(3, 4)


def test_nothing_graded_has_no_accuracy(store: Store) -> None:
    made = report(lettered(store, "--"))
    assert made.rows[0].accuracy is None
    assert "0/0 of 2" in str(made) and "[0.0" not in str(made)


def test_a_time_nobody_measured_is_unknown(store: Store) -> None:
    run = store.open_run(Settings(dataset="sums/test", problems="p", count=1, method="direct", student=SMALL))
    trace = a_trace(run.settings, 0)
    calls = tuple(replace(call, reply=replace(call.reply, seconds=0.0)) for call in trace.calls)
    run.put_trace(0, replace(trace, calls=calls))
    assert report(run).rows[0].seconds is None


def test_a_run_that_sent_nothing_cost_nothing(store: Store) -> None:
    assert report(lettered(store, "", count=3)).rows[0].cost == 0


def test_different_graders_in_one_table_are_pointed_out(store: Store) -> None:
    strict, usual = lettered(store, "r"), lettered(store, "r", "chain-of-thought")
    strict.put_grades([(0, 0, Grade("right", "1", grader="strict@2"))])
    strict.grader = "strict@2"
    assert "do not compare" in report(strict, usual).caption
    assert "do not compare" not in report(usual).caption


@pytest.mark.parametrize(
    ("teacher", "plans", "planner", "shown"),
    [
        (BIG, "teacher", "", "big"),
        (BIG, "teacher+reviewed", "Ann", "big, reviewed"),
        ("", "own+reviewed", "", "own, reviewed"),
        (BIG, "edited/0123456789ab", "Ann", "big, edited"),
        ("", "edited/0123456789ab", BIG, "big, edited"),
        ("", "edited/0123456789ab", "", "edited"),
        ("", "0123456789ab", BIG, "big, recorded"),
        ("", "", "", "–"),
    ],
)
def test_plans_say_who_wrote_them_and_what_a_person_did(teacher: str, plans: str, planner: str, shown: str) -> None:
    one = Settings(dataset="", problems="", count=1, method="", student="", teacher=teacher, plans=plans)
    assert plans_of(one, planner) == shown
    assert plans_of(replace(one, control="shuffled"), planner) == f"{shown}, shuffled"


def test_recorded_plans_are_named_by_who_wrote_them(store: Store) -> None:
    settings = Settings(
        dataset="sums/test", problems="p", count=1, method="trace-of-thought", student=SMALL, plans="recorded/ab12:cd"
    )
    run = store.open_run(settings)
    run.put_trace(0, a_trace(settings, 0, plan=Plan("1. Add.", BIG)))
    made = report(run)
    assert made.rows[0].planner == BIG and "big, recorded" in str(made)


def test_a_comparison_is_over_the_problems_both_have_graded(store: Store) -> None:
    before = lettered(store, "rrwwww-r")
    after = lettered(store, "rwrrrwr-", "chain-of-thought")
    row = report(after, baseline=before, prices=Dollars()).rows[1]
    assert (row.paired, row.better, row.worse) == (6, 3, 1)
    assert row.difference == pytest.approx(2 / 6)
    assert row.relative_gain == pytest.approx((4 - 2) / 2)
    assert (row.difference_low, row.difference_high) == paired_interval(3, 1, 6)
    assert (row.relative_gain_low, row.relative_gain_high) == gain_interval(1, 3, 1, 6)
    assert row.p == mcnemar_exact(3, 1)


def test_holm_adjusts_over_the_table(store: Store) -> None:
    runs = [lettered(store, "w" * 12, "direct")]
    runs += [
        lettered(store, verdicts, f"{verdicts.count('r')}") for verdicts in ("r" * 12, "r" * 6 + "w" * 6, "w" * 12)
    ]
    rows = report(*runs).rows
    ps = [mcnemar_exact(better, 0) for better in (12, 6, 0)]
    assert [row.p for row in rows] == [None, *ps]
    assert [row.p_holm for row in rows] == [None, *holm(ps)]


def test_without_a_baseline_each_student_has_its_direct_or_first_run(store: Store) -> None:
    first = lettered(store, "rw", "chain-of-thought")
    direct = lettered(store, "rw", "direct")
    other = lettered(store, "rw", "plan-and-solve", student="other")
    later = lettered(store, "rw", "trace-of-thought", student="other")
    made = report(first, direct, other, later)
    assert [row.baseline for row in made.rows] == [direct.id, "", "", other.id]
    assert made.baseline is None
    assert "none was given" in made.caption


def test_a_baseline_of_one_student_is_not_the_baseline_of_all(store: Store) -> None:
    alone = report(lettered(store, "rw"), lettered(store, "rr", "chain-of-thought"))
    beside = report(*(store.run(row.run) for row in alone.rows), lettered(store, "rr", student=BIG))
    assert (alone.baseline, beside.baseline) == (alone.rows[0].run, None)
    assert [bool(row.baseline) for row in beside.rows] == [False, True, False]


def test_a_given_baseline_comes_first_and_is_named(store: Store) -> None:
    first, second = lettered(store, "rw"), lettered(store, "rr", "chain-of-thought", student="other")
    made = report(second, first, baseline=first)
    assert [row.run for row in made.rows] == [first.id, second.id]
    assert made.baseline == first.id == made.rows[1].baseline


def test_pairs_are_found_by_question_whatever_the_ids(store: Store) -> None:
    before = lettered(store, "rw")
    after = store.open_run(Settings(dataset="file", problems="q", count=1, method="direct", student=SMALL))
    trace = Trace(Problem("file/7", "How many is 1  and one?\n", "2"), "direct", solution="2")
    after.put_trace(0, trace)
    after.put_grades([(0, 0, Grade("right", "2", grader="default@2"))])
    after.grader = "default@2"
    row = report(after, baseline=before).rows[1]
    assert (row.paired, row.better, row.worse) == (1, 1, 0)


def test_equal_questions_are_paired_in_order(store: Store) -> None:
    runs = []
    for method, verdicts in (("direct", ("right", "wrong")), ("chain-of-thought", ("right", "right"))):
        run = store.open_run(Settings(dataset="d", problems="p", count=2, method=method, student=SMALL))
        for place in (0, 1):
            run.put_trace(place, Trace(Problem(f"d/{place}", "Same?", "1"), method, solution="1"))
        run.put_grades([(place, 0, Grade(verdict, "1", grader="g")) for place, verdict in enumerate(verdicts)])  # type: ignore[arg-type]
        run.grader = "g"
        runs.append(run)
    row = report(*runs).rows[1]
    assert (row.paired, row.better, row.worse) == (2, 1, 0)


def test_samples_are_graded_by_vote_and_once_each(store: Store) -> None:
    run = store.open_run(Settings(dataset="d", problems="p", count=2, method="m", student=SMALL, samples=3))
    for ordinal, found in enumerate((("1", "1.0", "9"), ("9", None, "2"))):
        for sample, answer in enumerate(found):
            run.put_trace(ordinal, a_trace(run.settings, ordinal, sample))
            right = answer is not None and float(answer) == ordinal + 1
            run.put_grades([(ordinal, sample, Grade("right" if right else "wrong", answer, grader="g"))])
    run.grader = "g"
    [row] = report(run).rows
    assert (row.right, row.graded, row.total, row.attempts) == (1, 2, 2, 6)
    assert row.single == pytest.approx((2 / 3 + 1 / 3) / 2)
    assert (row.single_low, row.single_high) == clustered_interval({2 / 3: 1, 1 / 3: 1}, 3)


def test_tokens_and_money_are_by_role_and_per_right_answer(store: Store) -> None:
    run = lettered(store, "rrw", "trace-of-thought", teacher=BIG)
    [row] = report(run, prices=Dollars()).rows
    assert row.tokens == {"teacher": 300, "student": 300}
    assert row.costs == pytest.approx({"teacher": 0.3, "student": 0.0})
    assert row.cost_per_right == pytest.approx(0.15)
    assert row.seconds == 3.0


def test_unknown_money_is_unknown_and_never_nothing(store: Store) -> None:
    made = report(lettered(store, "r", student="dear"), prices=Dollars())
    assert made.rows[0].cost is None
    assert "unknown" in str(made)
    assert "$0" not in str(made)


@pytest.mark.parametrize("finish", ["length", "filter", "unknown"])
def test_truncated_traces_have_their_own_column_which_says_all_that_it_counts(finish: Finish, store: Store) -> None:
    run = lettered(store, "rw")
    cut = Reply("…", SMALL, Usage(1, 1), finish=finish)
    run.put_trace(
        0, Trace(a_trace(run.settings, 0).problem, "direct", calls=(Call("student", SMALL, (), Sampling(), cut),))
    )
    grade(run, 0, "wrong")
    made = report(run)
    assert made.rows[0].truncated == 1
    assert "at its token limit, filtered, or of an unknown end." in " ".join(str(made).split())


def test_edited_plans_are_counted_apart(store: Store) -> None:
    run = lettered(store, "rrw", "trace-of-thought", teacher=BIG)
    run.put_trace(0, a_trace(run.settings, 0, plan=Plan("1. Halve.", BIG).edit("Double.")))
    grade(run, 0, "right")
    edits = report(run, prices=Dollars()).rows[0].edits
    assert (edits.edited, edits.edited_right, edits.untouched, edits.untouched_right) == (1, 1, 2, 1)


def test_plans_break_even_where_their_price_is_saved(store: Store) -> None:
    traced = lettered(store, "rr", "trace-of-thought", teacher=BIG)
    asked = lettered(store, "rr", "direct", student=BIG)
    [sharing] = report(traced, asked, prices=Dollars()).sharing
    assert [sharing.cost, sharing.asked_cost] == pytest.approx([0.2, 0.2])
    assert sharing.asked == asked.id
    assert (sharing.break_even, sharing.unit) == (2, "money")
    assert "cheaper from 2 uses" in str(sharing)


def test_runs_that_have_not_reached_all_are_compared_by_the_problem(store: Store) -> None:
    traced = lettered(store, "rr", "trace-of-thought", teacher=BIG, count=9)
    asked = lettered(store, "r", "direct", student=BIG, count=9)
    [sharing] = report(traced, asked, prices=Dollars()).sharing
    assert (sharing.problems, sharing.cost, sharing.asked_cost) == (2, 0.2, 0.2)
    assert "planned 2 problems" in str(sharing)


def test_what_a_student_costs_is_counted_for_as_many_problems_as_were_planned(store: Store) -> None:
    runs = [
        lettered(store, verdicts, "trace-of-thought", teacher=BIG, student=name, count=9)
        for verdicts, name in (("rr", "openai/one"), ("r", "openai/other"))
    ]
    [sharing] = report(*runs, prices=Dollars()).sharing
    assert (sharing.problems, sharing.student_cost) == (2, 0.2)


def test_a_run_of_which_nothing_is_graded_or_planned_says_nothing_of_sharing(store: Store) -> None:
    traced, asked = lettered(store, "rr", "trace-of-thought", teacher=BIG), lettered(store, "-", student=BIG)
    [sharing] = report(traced, asked, prices=Dollars()).sharing
    assert (sharing.asked, sharing.asked_cost) == ("", None)
    failed = store.open_run(replace(traced.settings, student="openai/other"))
    failed.put_trace(0, replace(a_trace(failed.settings, 0), plan=None))
    assert report(failed, prices=Dollars()).sharing == ()


def test_imported_runs_had_plans_of_their_own(store: Store) -> None:
    runs = [
        lettered(store, "rr", "trace-of-thought", teacher=BIG, student=name, origin=f"{name}.csv")
        for name in ("a", "b")
    ]
    assert [one.students for one in report(*runs, prices=Dollars()).sharing] == [("a",), ("b",)]


def test_sharing_names_the_run_that_is_missing(store: Store) -> None:
    made = report(lettered(store, "r", "trace-of-thought", teacher=BIG), prices=Dollars())
    assert f"chain-of-thought with `{BIG}` as its student" in str(made.sharing[0])
    assert "When shared plans pay off" in made.to_markdown()


def test_a_dear_student_never_breaks_even(store: Store) -> None:
    traced = lettered(store, "rr", "trace-of-thought", teacher=BIG, student="openai/mid")
    asked = lettered(store, "rr", "direct", student=BIG)
    [sharing] = report(traced, asked, prices=Dollars()).sharing
    assert sharing.break_even is None
    assert "never" in str(sharing)


def test_free_teachers_are_compared_by_tokens(store: Store) -> None:
    traced = lettered(store, "rr", "trace-of-thought", teacher=SMALL)
    [sharing] = report(traced, lettered(store, "rr"), prices=Dollars()).sharing
    assert (sharing.unit, sharing.break_even) == ("tokens", 2)


def test_another_grader_gives_another_view(store: Store) -> None:
    run = lettered(store, "rr")
    run.put_grades([(0, 0, Grade("wrong", "x", grader="strict@2")), (1, 0, Grade("right", "2", grader="strict@2"))])
    assert report(run, grader="strict").rows[0].right == 1
    assert [trace.problem.id for trace, _ in disagreements(run)] == ["sums/test/0"]
    with pytest.raises(UnknownName, match="lenient"):
        report(run, grader="lenient")


def test_disagreements_need_two_graders(store: Store) -> None:
    with pytest.raises(UsageError, match="grades of 1 of"):
        list(disagreements(lettered(store, "r")))


def test_a_report_of_nothing_says_what_to_do() -> None:
    with pytest.raises(UsageError, match="stepdown run"):
        report()


def test_json_is_the_contract(store: Store) -> None:
    made = report(lettered(store, "rw"), lettered(store, "rr", "chain-of-thought")).to_json()
    promised = "run method student teacher plans right graded total accuracy low high relative_gain"
    promised += " difference difference_low difference_high p p_holm tokens cost"
    assert " ".join(made["rows"][0]).startswith(promised)
    assert made["baseline"] == made["rows"][0]["run"]
    assert made["version"] == 1


def test_text_fits_a_terminal_however_long_the_names(store: Store) -> None:
    names = {"student": "hub/" + "student" * 6, "teacher": "hub/" + "teacher" * 6}
    made = report(lettered(store, "rw", **names), lettered(store, "rr", "trace-of-thought", **names), prices=Dollars())
    assert max(map(len, str(made).splitlines())) <= 100


def test_markdown_keeps_its_columns_whatever_the_names(store: Store) -> None:
    text = report(lettered(store, "rw", student="a|b\nc")).to_markdown()
    lines = [line for line in text.splitlines() if line.startswith("| 1 |")]
    assert "a\\|b c" in lines[0]


def test_a_student_of_a_seed_is_shown_with_the_folder_its_seed_lies_in() -> None:
    assert short("students/chain-n5-random/seed-0") == "chain-n5-random/seed-0"
    assert short("openai/gpt-4o") == "gpt-4o"
