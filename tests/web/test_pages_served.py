"""Latency and money of served calls: by model and day, in a window, with what clients left and what failed."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from small_endpoint import NAME, endpoint, post_json
from stepdown.errors import CallFailed
from stepdown.models import ScriptedModel
from stepdown.reports import served_figures
from stepdown.reports.served_figures import quantile
from stepdown.runner import plain
from stepdown.store import ServedCall, Store, served_calls, served_names
from stepdown.types import Usage
from stepdown.web.app import make_app
from stepdown.web.in_process import InProcessAnswer, ask_in_process
from stepdown.web.state import State
from worlds import Cents, student, teacher


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    broken = ScriptedModel(lambda messages, sampling, sample: CallFailed("it broke"), "openai/broken")
    models = {"openai/teacher": teacher("openai/teacher"), "openai/student": student("openai/student")}
    folder = tmp_path_factory.mktemp("served")
    with endpoint(folder, {**models, "openai/broken": broken}) as served:
        for name, number in ((NAME, 1), (NAME, 2), ("direct/openai/broken", 3)):
            asked = [{"role": "user", "content": f"What is {number} plus one?"}]
            post_json(served.url, {"model": name, "messages": asked})
    with Store(folder / "served.sqlite") as store, store.writing() as db:
        db.execute("update calls set created = created - 864000 where rowid = (select min(rowid) from calls)")
    yield folder / "served.sqlite"


def shown(path: Path, address: str) -> InProcessAnswer:
    async def work() -> InProcessAnswer:
        state = State(path, read_only=True)
        try:
            return await ask_in_process(make_app(state), address)
        finally:
            await state.close()

    return plain(work())


def test_calls_are_those_of_served_runs_since_a_moment(path: Path) -> None:
    with Store(path, reading=True) as store:
        every, lately = list(served_calls(store)), list(served_calls(store, time.time() - 86_400))
    assert (len(every), len(lately)) == (4, 3)
    assert {call.model for call in every} == {"openai/teacher", "openai/student"}
    assert len({call.day for call in every}) == 2 and all(call.usage for call in every)


def test_failed_answers_are_counted_by_name(path: Path) -> None:
    with Store(path, reading=True) as store:
        names = {one.student: (one.answers, one.failed) for one in served_names(store)}
    assert names == {"openai/student": (2, 0), "openai/broken": (1, 1)}


def test_figures_are_by_model_and_by_day_the_newest_first() -> None:
    calls = [
        ServedCall("2026-01-01", "a", 1.0, Usage(10, 2), False),
        ServedCall("2026-01-02", "a", 3.0, Usage(10, 4), False),
        ServedCall("2026-01-02", "a", 9.0, Usage(10, 1), True),
    ]
    late, early = served_figures(calls, Cents(), by_day=True)
    assert (late.day, late.calls, late.left, late.p50, late.tokens_out) == ("2026-01-02", 2, 1, 3.0, 5)
    assert (early.day, early.cost) == ("2026-01-01", 0.02)
    [whole] = served_figures(calls, Cents(), by_day=False)
    assert (whole.day, whole.calls, round(whole.cost or 0, 9)) == ("", 3, 0.07)


def test_what_is_not_known_is_not_made_up() -> None:
    [found] = served_figures([ServedCall("2026-01-01", "mystery", 1.0, None, True)], Cents(), by_day=False)
    assert (found.p50, found.p95, found.unknown, found.cost) == (None, None, 1, None)


def test_a_quantile_is_a_value_that_was_measured() -> None:
    values = [float(one) for one in range(1, 21)]
    found = [quantile(values, 0.5), quantile(values, 0.95), quantile([7.0], 0.95), quantile([], 0.5)]
    assert found == [10, 19, 7, None]


def test_the_page_has_a_row_for_each_model_and_day_of_its_window(path: Path) -> None:
    week, every = (shown(path, f"/served?window={one}").text for one in ("week", "all"))
    # Once more in the table of names.
    assert (week.count("openai/teacher</td>"), every.count("openai/teacher</td>")) == (2, 3)
    assert "/served/latency.svg" in every and "?where=error" in every


def test_charts_are_drawn_and_unknown_ones_refused(path: Path) -> None:
    drawn = shown(path, "/served/tokens.svg?window=all&scheme=dark")
    assert drawn.headers["content-type"].startswith("image/svg") and "tokens a day" in drawn.text
    assert shown(path, "/served/other.svg").status == shown(path, "/served?window=ever").status == 404


def test_a_store_that_served_nothing_says_so(store: Store) -> None:
    assert "Nothing was asked of a model" in shown(store.path, "/served").text
