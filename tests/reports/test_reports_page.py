"""The html page of a report: self-contained, escaped, and whole without its extra."""

import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from stepdown.reports import Report, report, write_page
from stepdown.reports.charts import charts_of, draw, svg, titles_of
from stepdown.store import Run, ServerFigures, Store
from stepdown.types import Call, Grade, Message, Plan, Problem, Reply, Sampling, Settings, Trace, Usage

HOSTILE = '"><script>alert(1)</script><img src="http://example.invalid/x">'


def made_in(folder: Path) -> Report:
    """Two runs whose every text is hostile: the second loses problem 0 and wins problem 1."""
    with Store(folder / "page.sqlite") as store:
        runs = [_filled(store, method, rights) for method, rights in (("direct", (0,)), (f"m{HOSTILE}", (1,)))]
        return report(*runs)


def _filled(store: Store, method: str, rights: tuple[int, ...]) -> Run:
    teacher = "" if method == "direct" else "scripted/teacher"
    run = store.open_run(
        Settings(
            dataset=f"d{HOSTILE}", problems="p", count=2, method=method, student=f"scripted/{HOSTILE}", teacher=teacher
        )
    )
    for place in (0, 1):
        reply = Reply(HOSTILE, HOSTILE, Usage(50 << 3 * place, 10))
        call = Call("student", "scripted/s", (Message("user", f"{method} {place}"),), Sampling(), reply)
        plan = Plan("\n".join(["step"] * (place + 2)), HOSTILE) if teacher else None
        run.put_trace(
            place, Trace(Problem(f"d/{place}", f"{place} {HOSTILE}", HOSTILE), method, plan, (call,), HOSTILE)
        )
        verdict = "right" if place in rights else "wrong"
        run.put_grades([(place, 0, Grade(verdict, HOSTILE, HOSTILE, "g"))])  # type: ignore[arg-type]
    run.grader = "g"
    return run


class Outline(HTMLParser):
    """The elements of a page and the values of attributes that could load something."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "onload")]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return made_in(tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def page(made: Report, tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_page(made, tmp_path_factory.mktemp("out") / "report.html").read_text("utf-8")


def test_the_page_runs_and_loads_nothing(page: str) -> None:
    outline = Outline()
    outline.feed(page)
    assert not {"script", "img", "iframe", "link", "object"} & set(outline.tags)
    assert all(link.startswith("#") for link in outline.links)


def test_every_text_is_escaped_and_still_readable(page: str) -> None:
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_the_page_has_charts_with_alternative_text(page: str) -> None:
    assert page.count("<svg") == page.count('role="img" aria-label="') >= 3
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


def test_charts_keep_their_ids_apart(page: str) -> None:
    ids = [part.partition('"')[0] for part in page.split(' id="')[1:]]
    assert len(ids) == len(set(ids))


def test_the_page_lists_what_was_lost(page: str, made: Report) -> None:
    [flip] = made.flips[made.rows[1].run]
    assert flip.problem == "d/0"
    assert f"1 lost against run {made.rows[0].run}" in page


def test_the_page_says_settings_and_both_papers(page: str, made: Report) -> None:
    assert all(f"<code>{row.run}</code>" in page for row in made.rows)
    assert "2504.20946" in page
    assert "2306.14050" in page


@pytest.mark.slow
def test_each_chart_draws_what_it_says(made: Report) -> None:
    assert list(titles_of(made)) == ["accuracy", "cost", "spending", "steps", "tokens"]
    for chart in charts_of(made).values():
        assert svg(chart, "x").startswith("<svg")


@pytest.mark.slow
def test_tokens_are_drawn_by_who_used_them_and_costs_with_their_intervals(made: Report) -> None:
    spending, cost = svg(draw("spending", made), "x"), svg(draw("cost", made), "x")
    assert "teacher" in spending and "student" in spending and "judge" not in spending
    assert cost.count("<line") >= len(made.rows)


def test_no_axis_of_shares_goes_beyond_nothing_or_all() -> None:
    charts = pytest.importorskip("stepdown.reports.charts")
    ends = [({"low": 1.5, "high": 98.0}, [0, 100]), ({"low": 40.0, "high": 60.0}, [36, 64])]
    for point, domain in ends:
        assert charts.near_axis("low", [point]).to_dict()["scale"]["domain"] == domain


@pytest.mark.slow
def test_the_servers_of_a_fleet_are_drawn_with_their_speed(made: Report) -> None:
    figures = tuple(ServerFigures(f"http://{name}/v1", 10, 2.0, 0.1, 0.4) for name in "ab")
    fleet = msgspec.structs.replace(made, servers={made.rows[0].run: figures})
    drawn = svg(charts_of(fleet)[titles_of(fleet)["servers"]], "x")
    assert all(one.server in drawn for one in figures)


def test_without_the_extra_the_page_says_what_its_charts_need(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['altair'] = None; "
        "from stepdown.reports.pages import page; "
        "from stepdown.reports import report; from stepdown.store import Store; "
        f"store = Store({str(tmp_path / 'page.sqlite')!r}); print(page(report(*store.runs()))); store.close()"
    )
    made_in(tmp_path)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install &#x27;stepdown[report]&#x27;" in done.stdout
    assert "<table>" in done.stdout
    assert "<svg" not in done.stdout


def test_reports_do_not_load_the_chart_libraries() -> None:
    code = "import sys, stepdown.reports; print([name for name in ('altair', 'vl_convert') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
