"""Any two runs on the same problems compare with no further choice, by names that say what differs."""

from html import unescape

import msgspec
import pytest

from run_pages import problem, put, put_run
from served import get
from stepdown.models import Prices
from stepdown.reports import report
from stepdown.reports.row_names import kinds_of, names_of
from stepdown.reports.verdict_changes import all_verdict_changes
from stepdown.store import Run, Store
from stepdown.types import Problem, Sampling, Settings, Verdict

RIGHT: tuple[Verdict, ...] = ("right", "right", "wrong", "wrong")


def put_under(store: Store, ids: str, verdicts: tuple[Verdict, ...], *, samples: int = 1) -> Run:
    """Keep a run of another student on the same questions under ids of its own, such as those of a file."""
    settings = Settings(
        dataset=ids, problems=ids, count=len(verdicts), method="direct", student="big", samples=samples, origin="f",
        teacher="",
    )  # fmt: skip
    run = store.open_run(settings)
    for place, verdict in enumerate(verdicts):
        for sample in range(samples):
            put(run, (place, sample), msgspec.structs.replace(problem(place), id=f"{ids}/{place}"), verdict)
    run.grader = "default@2"
    return run


def shown(site: str, *runs: Run, more: str = "") -> str:
    return unescape(get(f"{site}/compare?" + "&".join(f"run={run.id}" for run in runs) + more).text)


@pytest.mark.parametrize("kind", ["student", "import", "subset", "samples", "own data set"])
def test_any_two_runs_on_the_same_problems_compare_with_no_choice(store: Store, site: str, kind: str) -> None:
    first = put_run(store, "wwww")
    other = {
        "student": lambda: put_run(store, "rrww", student="ollama/big"),
        "import": lambda: put_under(store, "import/x", RIGHT),
        "subset": lambda: put_under(store, "half", RIGHT[:2]),
        "samples": lambda: put_under(store, "three", RIGHT, samples=3),
        "own data set": lambda: put_run(store, "rrww", dataset="mine/test"),
    }[kind]()
    page = shown(site, first, other)
    assert "won 2, lost 0" in page and "2 problems: before is run" in page
    assert ("share 2 graded problems by question" in page) == (kind == "subset")


def test_runs_without_a_common_problem_say_so(store: Store, site: str) -> None:
    run = store.open_run(Settings(dataset="o", problems="o", count=1, method="direct", student="big", teacher=""))
    put(run, (0, 0), Problem("o/0", "Something else?", "1"), "right")
    run.grader = "default@2"
    assert "Run 2 shares no problem with another one here" in shown(site, put_run(store, "rw"), run)


def test_a_report_of_several_students_keeps_their_own_baselines(store: Store) -> None:
    runs = put_run(store, "rw"), put_run(store, "rr", method="chain-of-thought"), put_run(store, "rr", student="big")
    assert [row.baseline for row in report(*runs, prices=Prices()).rows] == ["", runs[0].id, ""]
    assert [row.baseline for row in report(*runs, prices=Prices(), every=True).rows] == ["", runs[0].id, runs[0].id]


def test_what_turned_is_what_the_report_counts(store: Store) -> None:
    before, after = put_run(store, "wwrr-"), put_under(store, "x", ("right", "wrong", "wrong", "right"))
    row = report(before, after, prices=Prices()).rows[1]
    found = all_verdict_changes(before, after)
    changes = found.some("any", before=before, after=after, offset=0, count=9)
    assert (row.better, row.worse, row.paired) == (1, 1, found.paired) == (1, 1, 4)
    assert [(one.problem, one.other) for one in changes.turned] == [("sums/test/0", "x/0"), ("sums/test/2", "x/2")]


def test_each_row_can_be_made_the_baseline(store: Store, site: str) -> None:
    first, second = put_run(store, "rw"), put_run(store, "rr", method="chain-of-thought")
    page = shown(site, first, second)
    assert page.count(">make baseline</a>") == 2
    chosen = shown(site, first, second, more=f"&baseline={second.id}")
    assert f"Baseline: run {second.id}" in chosen and ">undo</a>" in chosen


def seeded(store: Store, seed: int) -> Run:
    settings = Settings(
        dataset="s", problems="s", count=2, method="direct", student="ollama/small", teacher="",
        sampling=Sampling(temperature=0.7, seed=seed),
    )  # fmt: skip
    run = store.open_run(settings)
    put(run, (0, 0), problem(0), "right")
    return run


def test_rows_are_named_by_what_differs(store: Store) -> None:
    rows = report(seeded(store, 1), seeded(store, 2), prices=Prices()).rows
    assert list(names_of(rows).values()) == ["1 seed 1", "2 seed 2"] and kinds_of(rows)[0] == "seed"
    rows = report(put_run(store, "rw"), put_run(store, "rw", student="ollama/big"), prices=Prices()).rows
    assert list(names_of(rows).values()) == ["1 small", "2 big"]
    assert list(names_of(rows[:1]).values()) == ["1 direct"]


@pytest.mark.parametrize(
    ("kind", "joined"), [("same", True), ("other problems", False), ("other count", False), ("unknown price", False)]
)
def test_only_what_compares_is_joined_by_a_frontier(store: Store, kind: str, joined: bool) -> None:
    charts = pytest.importorskip("stepdown.reports.charts")
    first, second = put_run(store, "rw"), put_run(store, "rr", method="chain-of-thought")
    data, letters = (
        ("others/test" if kind == "other problems" else "sums/test"),
        "rrr" if kind == "other count" else "rr",
    )
    made = report(first, second, put_run(store, letters, method="few-shot", dataset=data), prices=Prices())
    if kind == "unknown price":
        rows = [msgspec.structs.replace(row, cost=0.1 if place else None) for place, row in enumerate(made.rows)]
        made = msgspec.structs.replace(made, rows=tuple(rows))
    assert any("dashed" in title for title in charts.charts_of(made)) is joined
    assert charts.has_frontier(made) is joined
