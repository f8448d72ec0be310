"""Which server of a fleet answered, and what the store says of each."""

import sqlite3
from pathlib import Path

import pytest

from fleet_world import FleetServerHere, fleet_of, load_fleet
from stepdown import Problem, Run, Store, report, run
from stepdown.store import ServerFigures, servers_of
from stepdown.store.merging import merge
from stepdown.store.servers import _busy
from stepdown.types import Reply

PROBLEMS = [Problem(f"p/{number}", f"What is {number} and 2?", "4") for number in range(12)]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "s.sqlite")


def solve(store: Store, *servers: FleetServerHere) -> tuple[Run, list[str]]:
    """Run the problems over these servers and return the run and their addresses."""
    with fleet_of(*servers) as addresses:
        return run(PROBLEMS, "direct", student=load_fleet(addresses, concurrency=2), store=store), addresses


def test_a_row_for_each_server_counts_its_calls_and_what_failed_there(store: Store) -> None:
    made, addresses = solve(store, FleetServerHere(["500"]), FleetServerHere())
    figures = {one.server: one for one in servers_of(made)}
    assert set(figures) == set(addresses)
    assert sum(one.calls for one in figures.values()) == len(PROBLEMS)
    failed = figures[addresses[0]]
    assert (failed.errors, failed.reason) == (1, "500: the server had an error")
    assert (figures[addresses[1]].errors, figures[addresses[1]].reason) == (0, "")


def test_a_server_that_only_failed_has_a_row_too(store: Store) -> None:
    made, addresses = solve(store, FleetServerHere(["401"] * 9), FleetServerHere())
    figures = {one.server: one for one in servers_of(made)}[addresses[0]]
    assert (figures.calls, figures.rate, figures.p50) == (0, None, None)
    assert figures.errors > 0


def test_a_call_that_a_server_refuses_for_good_is_counted_there(store: Store) -> None:
    server = FleetServerHere()
    server.faults.extend([(400, {"error": {"message": "no such reasoning"}})] * 9)
    made, addresses = solve(store, server, FleetServerHere())
    figures = {one.server: one for one in servers_of(made)}[addresses[0]]
    assert figures.errors == sum(bool(trace.error) for trace in made.traces()) > 0
    assert "no such reasoning" in figures.reason


def test_a_stored_reply_is_the_same_whoever_answered(store: Store) -> None:
    made, _ = solve(store, FleetServerHere(), FleetServerHere())
    assert {call.reply.server for trace in made.traces() for call in trace.calls} == {""}
    assert store.value("select count(*) from calls where server is null") == 0


def test_the_report_has_the_servers_in_every_form(store: Store) -> None:
    made, addresses = solve(store, FleetServerHere(), FleetServerHere())
    found = report(made)
    assert found.tables[-1].title == "Servers"  # a page draws all tables
    for text in (str(found), found.to_markdown()):
        assert "Servers" in text
        assert addresses[0] in text
    assert {one["server"] for one in found.to_json()["servers"]} == set(addresses)


def test_a_run_over_one_address_has_no_rows_of_servers(store: Store) -> None:
    made, _ = solve(store, FleetServerHere())
    assert report(made).servers == {}


def test_a_store_from_before_there_were_servers_is_read(tmp_path: Path, store: Store) -> None:
    made, _ = solve(store, FleetServerHere(), FleetServerHere())
    store.close()
    with sqlite3.connect(tmp_path / "s.sqlite") as db:
        db.execute("drop index calls_of_servers")
        db.execute("alter table calls drop column server")
        db.execute("drop table server_faults")
        db.execute("pragma user_version = 3")
    with Store(tmp_path / "s.sqlite", reading=True) as old:
        assert servers_of(old.run(made.id)) == []
        assert report(old.run(made.id)).rows[0].total == len(PROBLEMS)


def test_the_rate_is_over_the_time_in_which_calls_were_under_way() -> None:
    assert _busy([(0, 2), (1, 3), (10, 11)]) == 4
    assert _busy([]) == 0


def test_figures_say_nothing_of_a_server_without_an_answer() -> None:
    assert ServerFigures("http://a", 0).rate is None
    assert Reply("", "m").server == ""


def test_stores_that_are_joined_keep_which_server_answered_and_count_nothing_twice(tmp_path: Path) -> None:
    with Store(tmp_path / "a.sqlite") as one:
        made, _ = solve(one, FleetServerHere(["500"]), FleetServerHere())
        before = servers_of(made)
    for _ in range(2):
        merge([tmp_path / "a.sqlite"], tmp_path / "all.sqlite")
    with Store(tmp_path / "all.sqlite") as joined:
        assert servers_of(joined.run(made.id)) == before
