"""What values show in a notebook, how short they are in an error, and what they become in other people's frames."""

from importlib import import_module
from pathlib import Path
from urllib.request import urlopen

import pytest

import stepdown as sd
from stepdown.errors import UsageError
from stepdown.reports import report
from stepdown.store import Store
from stepdown.text import Table, fragment, html_table, html_text
from worlds import student, sums

HOSTILE = "<script>alert(1)</script>" + "long " * 5_000


@pytest.fixture
def hostile(store: Store) -> sd.Run:
    problems = [sd.Problem(f"p/{number}", HOSTILE, "4", choices=(HOSTILE,)) for number in range(3)]
    return sd.run(problems, "direct", student=sd.ScriptedModel(lambda *_: HOSTILE, "s"), store=store)


def test_what_strangers_wrote_is_shown_as_text_and_bounded(hostile: sd.Run) -> None:
    trace = hostile.trace("p/0")
    plan = sd.Plan(HOSTILE, HOSTILE, HOSTILE, HOSTILE)
    for value in (hostile, trace, trace.problem, plan, sd.audit(hostile), report(hostile)):
        shown = value._repr_html_()
        assert shown.startswith("<div") and "<script" not in shown and len(shown) < 40_000


def test_a_value_in_an_error_is_a_line(hostile: sd.Run) -> None:
    trace = hostile.trace("p/0")
    values = (hostile, trace, trace.problem, sd.Plan(HOSTILE, "ann"), sd.audit(hostile), report(hostile))
    assert all(len(repr(one)) < 220 and "\n" not in repr(one) for one in values)
    assert "2 of" not in repr(trace) and repr(trace).startswith("Trace(p/0 by direct, 1 call: <script>")


def test_a_run_is_its_traces_and_a_report_its_rows(store: Store) -> None:
    run = sd.run(sums(3), "direct", student=student(), store=store)
    assert [trace.problem.id for trace in run] == [problem.id for problem in sums(3)]
    assert [row.run for row in report(run)] == [run.id] and repr(report(run)).startswith("Report(1 run on ")


def test_frames_of_both_kinds_hold_what_the_dicts_hold(store: Store) -> None:
    run = sd.run(sums(3), "direct", student=student(), store=store)
    for value in (run, report(run)):
        rows = value.to_dicts()
        assert value.to_polars().rows(named=True) == rows and list(value.to_pandas().columns) == list(rows[0])
    assert run.to_dicts()[0]["cost"] is None and run.to_dicts(sd.Prices())[0].keys() == run.to_dicts()[0].keys()


def test_a_frame_of_pandas_says_what_it_needs(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run = sd.run(sums(1), "direct", student=student(), store=store)
    monkeypatch.setitem(import_module("sys").modules, "pandas", None)
    with pytest.raises(UsageError, match="needs `pandas`"):
        run.to_pandas()


def test_looking_at_problems_of_the_hub_fetches_nothing() -> None:
    shown = sd.load_problems("gsm8k")._repr_html_()
    assert "gsm8k/test" in shown and "read from the hub" in shown


def test_a_corpus_shows_its_card_and_its_filters(store: Store, tmp_path: Path) -> None:
    run = sd.run(sums(3), "chain-of-thought", student=student(), store=store)
    sd.write_chains(run, tmp_path / "chains")
    shown = sd.open_corpus(tmp_path / "chains").keep("right")._repr_html_()
    assert "kept of it" in shown and "chains by" in shown and "a corpus of chains" in shown


def test_a_long_table_says_how_much_of_it_is_left_out() -> None:
    shown = html_table(Table("Numbers", ("#", "n"), tuple((str(n), str(n)) for n in range(300))))
    assert "100 more rows" in shown and shown.count("<tr>") == 201
    assert "1,000 more characters" in fragment("a", html_text("x" * 5_000))


def test_a_trace_opens_its_page(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    run = sd.run(sums(2), "direct", student=student(), store=store)
    where = sd.open_page(run.trace(sums(2)[1].id), store=store)
    assert opened == [where] and sums(2)[1].question in urlopen(where).read().decode()
    with pytest.raises(UsageError, match="no run of"):
        sd.open_page(sd.solve(sums(3)[2], "direct", student=student(), store=store), store=store)
