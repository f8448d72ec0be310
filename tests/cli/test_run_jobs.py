"""`run --jobs N`: several processes do what one would, on one store, and end as one."""

import asyncio
import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from command_line import Solved, printed, solved_once, speak, stored_runs, write_sums
from faulty_server import Body, FaultyServer
from stepdown.cli.parts import _lines
from stepdown.shards import Part

COUNT, TOKENS = 40, 13  # tokens that the server says each call took
RUN = ("run", "sums.jsonl", "--method", "direct", "--student", "openai/student")
TWO = (*RUN, "--jobs", "2", "--concurrency", "3")


@pytest.fixture(scope="module")
def solved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Solved, list[Body]]]:
    """A folder in which two processes have solved all problems, and what they asked."""
    with solved_once(tmp_path_factory.mktemp("jobs"), TWO, speak=speak, count=COUNT) as found:
        yield found, list(found.server.bodies)


def children() -> list[int]:
    """Return the processes that this one has started and that live."""
    listed = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(os.getpid())], capture_output=True, text=True)
    return [int(line.split()[0]) for line in listed.stdout.splitlines() if "part_process" in line]


def rows(statement: str) -> list[Any]:
    with closing(sqlite3.connect("stepdown.sqlite")) as db:
        return db.execute(statement).fetchall()


def test_each_problem_is_asked_once_and_stored_in_the_same_run_as_by_one_process(
    solved: tuple[Solved, list[Body]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = [body["messages"][-1]["content"] for body in solved[1]]
    assert len(asked) == COUNT == len(set(asked))
    solved[0].copy_to(tmp_path, monkeypatch)
    [shared], [alone] = printed(capsys, *RUN), printed(capsys, *RUN, "--store", "alone.sqlite")
    assert (shared["calls"], alone["calls"]) == (0, COUNT) and stored_runs() == stored_runs("alone.sqlite")
    differing = {name for name in alone if alone[name] != shared[name]}
    assert differing == {"calls", "cached", "paid", "seconds"}


def test_the_processes_leave_every_trace_and_grade_and_no_claim(
    solved: tuple[Solved, list[Body]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(solved[0].folder)
    assert rows("select count(*) from claims") == [(0,)]
    assert rows("select count(*), count(distinct ordinal) from traces") == [(COUNT, COUNT)]
    assert rows("select count(*) from grades where verdict = 'right'") == [(COUNT,)]
    assert rows("select traces, rights from summaries where kind != 'audit' order by kind") == [
        (COUNT, COUNT),
        (COUNT, 0),
    ]


@pytest.mark.parametrize("stripe", [1, 3])
@pytest.mark.parametrize("total", [0, 1, 5, 6, 7, 40])
def test_the_parts_of_a_command_have_each_problem_once(total: int, stripe: int) -> None:
    parts = [Part(number, 3, stripe) for number in range(3)]
    assert all(sum(part.holds(place) for part in parts) == 1 for place in range(total))
    assert [part.count(total) for part in parts] == [sum(map(part.holds, range(total))) for part in parts]


def test_what_a_process_prints_on_one_line_without_end_is_read_in_pieces_and_holds_it_up_nowhere() -> None:
    async def read() -> list[bytes]:
        pipe = asyncio.StreamReader()
        pipe.feed_data(b"one\n" + b"x" * 200_000 + b"\ntwo\nthree")
        pipe.feed_eof()
        return [line async for line in _lines(pipe)]

    found = asyncio.run(read())
    assert (found[0], found[-2:]) == (b"one", [b"two", b"three"]) and len(found) > 4
    assert b"".join(found[1:-2]) == b"x" * 200_000


@pytest.mark.slow
def test_a_budget_holds_over_all_processes_and_ends_them_with_its_code(
    server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sums(200)
    stopped, ended = printed(capsys, *TWO, "--max-tokens-total", "1500", "--max-tokens", "100", codes=(3,))
    assert ended["error"]["code"] == "budget_reached"
    spent = TOKENS * len(server.bodies)
    assert 1000 < spent == stopped["paid"]["tokens"] <= 1500 and stopped["graded"] == len(server.bodies)


@pytest.mark.slow
def test_one_ctrl_c_lets_all_finish_what_they_began_and_the_same_command_goes_on(
    server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sums(200)

    def interrupting(body: Body) -> str:
        if len(server.bodies) == 9:
            os.kill(os.getpid(), signal.SIGINT)
        return speak(body)

    server.speak = interrupting
    stopped, ended = printed(capsys, *TWO, codes=(130,))
    assert ended["error"]["exit"] == 130 and children() == []
    assert 9 <= stopped["graded"] == len(server.bodies) < 200
    assert printed(capsys, *RUN)[0]["cached"] == stopped["graded"] and len(server.bodies) == 200


@pytest.mark.slow
def test_a_process_that_is_killed_ends_the_command_which_goes_on_when_it_is_given_again(
    server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sums(200)

    def killing(body: Body) -> str:
        if len(server.bodies) == 9:
            os.kill(children()[0], signal.SIGKILL)
        return speak(body)

    server.speak = killing
    *_, ended = printed(capsys, *TWO, codes=(5,))
    assert ended["error"]["code"] == "worker_lost" and children() == []
    kept = rows("select count(*) from calls where json_extract(reply, '$.finish') = 'stop'")[0][0]
    assert printed(capsys, *RUN)[0]["graded"] == 200
    assert kept + 200 - kept <= len(server.bodies) <= 200 + 3


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--jobs", "2", "--concurrency", "1"), "cannot share 1 calls in flight"),
        (("--jobs", "2", "--review"), "`--jobs` would have no effect"),
        (("--jobs", "2", "--estimate"), "`--jobs` would have no effect"),
        (("--jobs", "2", "--student", "embedded/smollm2-135m"), "would be loaded by each"),
        (("--jobs", "0"), "--jobs"),
        (("--jobs", "1000000"), "--jobs"),
    ],
)
def test_what_several_processes_cannot_do_is_refused_before_anything_is_sent(
    more: tuple[str, ...], said: str, server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    [refused] = printed(capsys, *RUN, *more, codes=(2,))
    assert said in refused["error"]["message"] and server.bodies == []


@pytest.mark.slow
def test_an_endpoint_that_refuses_all_is_said_once_and_ends_all(
    server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.faults.extend(["401"] * 6)
    said = printed(capsys, *TWO, codes=(4,))
    assert said[-1]["error"]["code"] == "endpoint_refused" and children() == []
