"""What the tables of a report say of runs that look alike, that did not end, or that have several samples."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from stepdown.models import Prices
from stepdown.reports import Report, names_of, report, write_page
from stepdown.reports.counts import count_traces
from stepdown.reports.variations import variations
from stepdown.stats import majority_at, pass_at, variance_split
from stepdown.store import Run, Store, label
from stepdown.types import Call, Grade, Message, Problem, Reply, Sampling, Settings, Trace, Usage
from stored_runs import keep_run
from valued_plans import ADD, GUESS, alone, with_plans

PLAIN = Settings(
    dataset="d/test", problems="ab" * 16, count=4, method="direct", student="s", sources=("http://one/v1",)
)


def answered(store: Store, settings: Settings, found: Sequence[Sequence[str | None]], *, first: int = 0) -> Run:
    """A run whose problem number n is answered by `found[n]`, one answer per sample; the gold is the number."""

    def attempt(number: int, sample: int, answer: str | None) -> tuple[Trace, Grade]:
        problem = Problem(f"d/test/{first + number}", f"What is {first + number}?", str(number))
        asked, reply = (Message("user", f"{settings.id} {number}"),), Reply("", "s", Usage(1, 1))
        call = Call("student", "s", asked, Sampling(), reply, sample)
        right = answer is not None and float(answer) == number
        trace = Trace(problem, settings.method, None, (call,), "text", sample=sample)
        return trace, Grade("right" if right else "wrong", answer, "", "g@1")

    rows = [[attempt(n, *one) for one in enumerate(answers)] for n, answers in enumerate(found)]
    return keep_run(store, rows, settings=settings, count=settings.count, grader="g@1")


def forms(made: Report, folder: Path) -> list[str]:
    return [str(made), made.to_markdown(), write_page(made, folder / "r.html").read_text("utf-8"), repr(made.to_json())]


def table(made: Report, title: str) -> list[dict[str, str]]:
    found = [one for one in made.tables if one.title == title]
    return [dict(zip(one.header, cells, strict=True)) for one in found for cells in one.rows]


def test_what_people_call_a_run_stands_in_tables_and_charts(store: Store, tmp_path: Path) -> None:
    one, other, third = (answered(store, replace(PLAIN, method=name), [["0"], ["0"]]) for name in "abc")
    assert "called" not in table(report(one, other, third), "Right answers")[0]
    for run, name in ((one, "<base>"), (other, "twice"), (third, "twice")):
        label(run, name=name)
    made = report(one, other, third)
    assert [line["called"] for line in table(made, "Right answers")] == ["<base>", "twice", "twice"]
    assert [*names_of(made.rows).values()] == ["1 <base>", "2 twice · b", "3 twice · c"]
    assert [row["name"] for row in made.to_json()["rows"]] == ["<base>", "twice", "twice"]
    text = write_page(made, tmp_path / "r.html").read_text("utf-8")
    assert "1 &lt;base&gt;" in text and "<base>" not in text


@pytest.mark.parametrize(
    ("changed", "name", "values"),
    [
        ({"sampling": Sampling(seed=3)}, "seed", ("none", "3")),
        ({"sampling": Sampling(temperature=0.7)}, "temperature", ("0", "0.7")),
        ({"sampling": Sampling(stop=("\n\n",))}, "stop", ("none", r"'\n\n'")),
        ({"sampling": Sampling(max_tokens=64)}, "max tokens", ("1024", "64")),
        ({"count": 9}, "limit", ("4", "9")),
        ({"sources": ("http://two/v1",)}, "address", ("http://one/v1", "http://two/v1")),
        ({"prompt_set": "traces"}, "prompts", ("default", "traces")),
        ({"prompts": "cd" * 16}, "wording", ("–", "cdcdcdcd")),
        ({"problems": "cd" * 16}, "data", ("abababab", "cdcdcdcd")),
        ({"origin": "a.csv"}, "file", ("–", "a.csv")),
    ],
)
def test_runs_alike_say_in_which_setting_they_differ(
    changed: dict[str, object], name: str, values: tuple[str, str]
) -> None:
    found = variations([PLAIN, replace(PLAIN, **changed)], ["d/test/0"] * 2)
    assert found == [{name: one} for one in values]


def test_an_offset_shows_in_the_first_problem(store: Store, tmp_path: Path) -> None:
    runs = [answered(store, replace(PLAIN, problems=str(first) * 32), [["0"]] * 4, first=first) for first in (0, 4)]
    made = report(*runs)
    assert [row.differs for row in made.rows] == [{"first problem": f"d/test/{first}"} for first in (0, 4)]
    assert all("d/test/4" in form for form in forms(made, tmp_path))


def test_a_setting_only_one_run_can_have_and_a_model_elsewhere_are_no_difference() -> None:
    taught = replace(PLAIN, teacher="t", teacher_sampling=Sampling(max_tokens=9), sources=("http://one/v1", "http://t"))
    assert variations([PLAIN, taught], ["d/test/0"] * 2) == [{}, {}]


def test_no_password_of_an_address_is_shown() -> None:
    hidden = [replace(PLAIN, sources=(f"http://ann:{secret}@host/v1", secret)) for secret in ("hunter", "swordfish")]
    assert "ann:" not in repr(variations(hidden, ["", ""]))


def test_every_form_has_the_ids_of_its_runs_and_what_differs(store: Store, tmp_path: Path) -> None:
    seeds = [answered(store, replace(PLAIN, sampling=Sampling(seed=seed)), [["0"]] * 4) for seed in (1, 2)]
    made = report(*seeds)
    assert [row["run"] for row in table(made, "Right answers")] == [run.id for run in seeds]
    assert [row["seed"] for row in table(made, "Settings in which the runs differ")] == ["1", "2"]
    for form in forms(made, tmp_path):
        assert all(run.id in form for run in seeds) and "seed" in form


def test_a_run_that_did_not_end_shows_how_many_problems_there_are(store: Store, tmp_path: Path) -> None:
    made = report(answered(store, replace(PLAIN, count=50), [["0"], ["1"], ["9"]]))
    assert table(made, "Right answers")[0]["right/graded"] == "2/3 of 50"
    assert all("2/3 of 50" in form for form in forms(made, tmp_path)[:3]) and made.rows[0].total == 50
    ended = report(answered(store, replace(PLAIN, count=2), [["0"], ["9"]]))
    assert table(ended, "Right answers")[0]["right/graded"] == "1/2"


def test_many_settings_and_long_addresses_fit_a_terminal(store: Store) -> None:
    other = replace(
        PLAIN, sampling=Sampling(0.5, 0.5, 5, 5, ("x",)), prompt_set="traces", count=5, student="hub/" + "s" * 60,
        sources=("http://a.very.long.name.of.a.server.example:65535/and/a/path/v1",), samples=2,
    )  # fmt: skip
    made = report(
        answered(store, PLAIN, [["0"]]),
        answered(store, other, [["0", "0"]]),
        answered(store, replace(other, count=6), []),
    )
    assert max(map(len, str(made).splitlines())) <= 100


# --- comparisons


def test_a_gain_without_an_end_and_nothing_detectable_are_said(store: Store) -> None:
    before = answered(store, replace(PLAIN, count=12), [["0"], *[["-1"]] * 11])
    after = answered(store, replace(PLAIN, method="m", count=12), [[str(n) if n < 5 else "-1"] for n in range(12)])
    made = report(before, after)
    [row] = table(made, "Against the baseline")
    assert (row["gain %"], row["detectable"]) == ("+400.0 [+3.3, ∞]", "none")
    assert row["difference"] == "+33.3 [+1.0, +60.9]"
    assert made.rows[1].relative_gain_high is None and made.rows[1].mdd is None


def test_a_baseline_with_nothing_right_has_no_gain_but_its_lower_end(store: Store) -> None:
    before, after = (
        answered(store, replace(PLAIN, method=method), [[answer.format(n)] for n in range(4)])
        for method, answer in (("direct", "-1"), ("m", "{}"))
    )
    [row] = table(report(before, after), "Against the baseline")
    assert row["gain %"].startswith("– [+")


# --- several samples


def test_k_samples_are_the_mean_over_all_choices_of_k(store: Store, tmp_path: Path) -> None:
    answers: list[list[str | None]] = [["0", "0", "7", "8"], ["1", "9", "9.0", None]]
    made = report(answered(store, replace(PLAIN, count=2, samples=4), answers))
    row = made.rows[0]
    assert [(one.k, one.problems) for one in row.pass_at] == [(k, 2) for k in (1, 2, 4)]
    assert [one.share for one in row.pass_at] == pytest.approx(
        [(pass_at(k, 4, 2) + pass_at(k, 4, 1)) / 2 for k in (1, 2, 4)]
    )
    votes = [(majority_at(k, (2,), (1, 1)) + majority_at(k, (1,), (2,), 1)) / 2 for k in (1, 2, 4)]
    assert [one.share for one in row.maj_at] == pytest.approx(votes)
    assert all(one.low <= one.share <= one.high for one in (*row.pass_at, *row.maj_at))
    assert [line["k"] for line in table(made, "Of k samples")] == ["1", "2", "4"]
    assert all("pass@k" in form for form in forms(made, tmp_path)[:3])


def test_problems_with_fewer_samples_than_k_are_left_out_of_it(store: Store) -> None:
    row = report(answered(store, replace(PLAIN, count=2, samples=4), [["0"] * 4, ["1"] * 3])).rows[0]
    assert [(one.k, one.problems) for one in row.pass_at] == [(1, 2), (2, 2), (3, 1), (4, 1)]


def test_votes_are_compared_as_votes_and_the_table_says_so(store: Store) -> None:
    drawn = replace(PLAIN, samples=3, sampling=Sampling(0.7))
    runs = [answered(store, replace(drawn, method=name), [["0", "0.0", "5"]] * 4) for name in ("direct", "m")]
    made = report(*runs)
    assert made.rows[1].paired == 4 and "one pair per problem" in " ".join(str(made).split())


def test_where_right_and_wrong_vary_is_told_of_runs_with_several_plans(store: Store) -> None:
    planned = with_plans(store, *[[(ADD, "rrrw"), (GUESS, "wwrw")]] * 3, *[[(ADD, "rwrw"), (GUESS, "wrww")]] * 3)
    found, plain = report(planned), report(alone(store, *["rw"] * 6))
    [row] = found.rows
    assert row.variance is not None and (row.plan_samples, row.variance.over, row.variance.plans_tried) == (2, 6, 12)
    assert row.variance == variance_split(count_traces(planned, Prices()).outcomes)
    assert "Where right and wrong vary" in str(found) and "Where right and wrong vary" not in str(plain)
    assert found.to_json()["rows"][0]["variance"]["plans"]["share"] == row.variance.plans.share
