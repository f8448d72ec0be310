"""One vote: whoever asks what several samples of a problem say is told the same."""

from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stepdown.answers import groups, majority, same, vote
from stepdown.corpus.selection import load_filter
from stepdown.graders.majority import majority_grade
from stepdown.measuring import Goal, calibrate, consistency
from stepdown.reports import report
from stepdown.runner.cascade import votes_of
from stepdown.store import Run, Store, StoredTrace
from stepdown.training.studies import cell_score
from stepdown.training.study_grid import Cell
from stepdown.types import Call, Chain, Finish, Grade, Kind, Plan, Problem, Reply, Sampling, Trace, Verdict
from stored_runs import keep_run

HALVES = (r"\frac12", "0.5", r"\frac{1}{2}", "3", "3")
Ballot = tuple[str | None, Finish]
# Each answer in some of its spellings; None is a reply that concludes nothing.
SPELLINGS: dict[Kind, list[tuple[str, ...]]] = {
    "number": [("5", "5.0", "5.00"), ("1,000", "1000", "1000.0"), ("7",)],
    "expression": [(r"\frac12", "0.5", r"\frac{1}{2}"), ("3", "3.0"), (r"\sqrt{2}", r"\sqrt2")],
    "choice": [("A",), ("B",), ("C",)],
    "text": [("yes", "Yes"), ("no", "No"), ("Paris", "paris")],
}


def problem_of(kind: Kind, number: int = 0) -> Problem:
    choices = ("one", "two", "three") if kind == "choice" else ()
    return Problem(f"p/{number}", f"What is it, {number}?", SPELLINGS[kind][0][0], choices, kind)


def attempt(problem: Problem, ballot: Ballot, sample: int = 0) -> tuple[Trace, Grade]:
    found, finish = ballot
    text = "" if found is None else f"Answer: {found}"
    call = Call("student", "s", (), Sampling(0.7), Reply(text, "s", finish=finish), sample)
    right = found in SPELLINGS[problem.kind][0]
    trace = Trace(problem, "trace-of-thought", Plan("1. Think.", "t"), (call,), text, sample=sample)
    return trace, Grade("right" if right else "wrong", found, "", "default@2")


def voted(store: Store, problem: Problem, ballots: list[Ballot], *, teacher: str = "small", name: str = "p") -> Run:
    rows = [[attempt(problem, ballot, sample) for sample, ballot in enumerate(ballots)]]
    return keep_run(store, rows, dataset=name, problems=name, method="trace-of-thought", student="s", teacher=teacher,
                    plans="teacher", samples=len(ballots),
                    sampling=Sampling(0.7 if len(ballots) > 1 else 0.0))  # fmt: skip


@st.composite
def elections(draw: st.DrawFn) -> tuple[Kind, list[Ballot]]:
    kind: Kind = draw(st.sampled_from(list(SPELLINGS)))
    answers = st.sampled_from([None, *(one for spelled in SPELLINGS[kind] for one in spelled)])
    finishes: st.SearchStrategy[Finish] = st.sampled_from(["stop", "stop", "stop", "length"])
    return kind, draw(st.lists(st.tuples(answers, finishes), min_size=2, max_size=7))


def in_every_report(problem: Problem, ballots: list[Ballot], folder: Path) -> set[Verdict | bool]:
    """The verdict of a vote by report, study, contrast and calibrate."""
    with Store(folder / "s.sqlite") as store:
        run, dear = voted(store, problem, ballots), voted(store, problem, [(None, "stop")], teacher="large")
        contrast = voted(store, problem, [("0", "stop")], name="q")
        cheap = calibrate(run, dear, Goal(accuracy=0.5)).rows[0]
        never = not any(votes_for(ballots))  # then the cascade goes on to the teacher, who is wrong here too
        found = [
            report(run).rows[0].right == 1,
            cell_score(Cell(1, "", "chain"), [run]).mean == 1.0,
            consistency(run, contrast).right == 1,
            cheap.right == 1 and not never,
        ]
    return set(found)


def votes_for(ballots: list[Ballot]) -> list[str | None]:
    return [found if finish == "stop" else None for found, finish in ballots]


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(elections())
def test_report_study_contrast_pages_cascade_calibrate_and_the_filter_agree(
    election: tuple[Kind, list[Ballot]],
) -> None:
    kind, ballots = election
    problem = problem_of(kind)
    attempts = [attempt(problem, ballot, sample) for sample, ballot in enumerate(ballots)]
    found = majority(problem, [None if trace.cut else trace.solution for trace, _ in attempts])
    grade = majority_grade(attempts)
    assert len(groups(kind, [found.answer, grade.found])) == (found.answer is not None)
    assert (found.answer is None) == (grade.found is None)
    assert votes_of(problem, [StoredTrace(0, trace, ()) for trace, _ in attempts]) == found
    chains = [Chain(problem, str(at), "t", at, grade, finish=trace.calls[0].reply.finish)
              for at, (trace, grade) in enumerate(attempts)]  # fmt: skip
    kept = load_filter("agreed").keep(chains)
    assert len(kept) == found.votes and [one.sample for one in kept][:1] == [found.index] * bool(kept)
    with TemporaryDirectory() as folder:
        assert in_every_report(problem, ballots, Path(folder)) == {grade.verdict == "right"}


def test_equal_answers_are_one_group_and_others_are_not() -> None:
    """Two answers are in one group if and only if they are the same."""
    for kind, answers in SPELLINGS.items():
        for one, other in product([spelled for some in answers for spelled in some], repeat=2):
            assert (len(groups(kind, [one, other])) == 1) == bool(same(kind, one, other)), (one, other)


def test_of_many_different_expressions_those_spelled_alike_still_are_one() -> None:
    found = groups("expression", [*(f"word{place}" for place in range(60)), "word0", " word59"])
    assert len(found) == 60 and found[0] == (0, 60) and found[59] == (59, 61)


def test_three_spellings_of_a_half_outvote_two_threes() -> None:
    assert groups("expression", HALVES) == [(0, 1, 2), (3, 4)]
    attempts = [attempt(problem_of("expression"), (one, "stop"), at) for at, one in enumerate(HALVES)]
    assert majority_grade(attempts).verdict == "right" and majority_grade(attempts).found == HALVES[0]


@pytest.mark.parametrize("votes", [("3", "2"), ("3", "2", "3.0", "2"), ("2x", "3", "3")])
def test_ties_go_to_the_answer_reached_first(votes: tuple[str, ...]) -> None:
    assert vote(Problem("p", "How many?", "3"), [f"Answer: {one}" for one in votes]) in {"3", votes[0]}


@pytest.mark.parametrize("finish", ["length", "filter"])
def test_a_reply_that_was_cut_has_no_vote(finish: Finish) -> None:
    problem = problem_of("number")
    attempts = [attempt(problem, ballot) for ballot in (("7", finish), ("7", finish), ("5", "stop"))]
    assert majority_grade(attempts).found == "5"
    assert majority_grade(attempts[:2]).verdict == "wrong" and majority_grade(attempts[:2]).found is None


def test_one_sample_is_no_vote_and_keeps_its_grade() -> None:
    cut = attempt(problem_of("number"), ("5", "length"))
    assert majority_grade([cut]) == cut[1]


def test_a_sample_that_could_not_be_compared_has_its_vote() -> None:
    problem = problem_of("expression")
    late = Grade("ungraded", "x", "no time", "default@2")
    attempts = [(attempt(problem, ("x", "stop"))[0], late)] * 2 + [attempt(problem, ("3", "stop"))]
    assert majority_grade(attempts) == late


def test_a_grader_that_names_no_answers_leaves_the_vote_to_what_the_solutions_say() -> None:
    problem = problem_of("number")
    judged = [(trace, Grade(grade.verdict, None, "", "judge:j")) for trace, grade in
              (attempt(problem, (found, "stop")) for found in ("7", "5", "5.0"))]  # fmt: skip
    assert majority_grade(judged).verdict == "right"


def test_samples_without_an_answer_are_wrong_and_failed_ones_ungraded() -> None:
    problem = problem_of("number")
    junk = attempt(problem, (None, "stop"))
    failed = Trace(problem, "direct", error="busy"), Grade("ungraded", why="busy")
    assert majority_grade([junk, failed]).verdict == majority_grade([failed, junk]).verdict == "wrong"
    assert majority_grade([failed, failed]).verdict == "ungraded"
