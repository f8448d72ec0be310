"""A grid of runs in one command: its calls at once, what it says while they go on, and how it stops and goes on."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from command_line import speak, stored_runs, write_sums
from faulty_server import Body, FaultyServer
from stepdown.cli import main
from stepdown.cli.first_problem import show_problem
from stepdown.cli.grid import Players
from stepdown.custom import CustomModel
from stepdown.models.local.embedded import EmbeddedModel
from stepdown.runner import Task, plain
from stepdown.settings import EndpointSettings
from stepdown.store import Store
from stepdown.types import Capabilities, Messages, Reply, Sampling
from worlds import TRACED, LastWord, direct, student, sums, teacher

DIRECT, COT = ("--method", "direct"), ("--method", "chain-of-thought")
STUDENT, OTHER, TEACHER = (
    ("--student", "openai/student"),
    ("--student", "openai/other"),
    ("--teacher", "openai/teacher"),
)


def run(*options: str) -> int:
    return main(["run", "sums.jsonl", *options])


def test_without_a_terminal_all_runs_of_a_grid_have_a_line_and_each_that_ends(
    server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*DIRECT, *STUDENT, *OTHER) == 0
    said = capsys.readouterr().err
    assert "all 2 runs: 0/12 · right 0/0" in said
    assert [
        said.count(f"{place} direct · openai/{name}: 6/6") for place, name in (("1/2", "student"), ("2/2", "other"))
    ] == [1, 1]


def test_ctrl_c_stops_a_grid_and_the_same_command_asks_for_the_rest(
    server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sums(60)

    def interrupting(body: Body) -> str:
        if len(server.bodies) == 9:
            os.kill(os.getpid(), signal.SIGINT)
        return speak(body)

    server.speak = interrupting
    grid = (*DIRECT, *COT, *STUDENT, *OTHER, "--concurrency", "2")
    assert run(*grid) == 130
    assert "1 of 4 runs not begun" in capsys.readouterr().err and 9 <= len(server.bodies) < 60
    assert run(*grid) == 0
    assert len(server.bodies) == 240 and len(stored_runs()) == 4


class Held(CustomModel):
    """Answers only once something is so."""

    name, width = "held", 4
    capabilities = Capabilities(source="held")

    def __init__(self, until: Callable[[], bool]) -> None:
        self.until = until

    async def reply(self, messages: Messages, sampling: Sampling, n: int = 1) -> list[Reply]:
        while not self.until():
            await asyncio.sleep(0)
        return [Reply(text="Answer: 0", model=self.name)] * n


def test_a_problem_is_shown_by_one_method_after_another_while_all_of_them_solve_it(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    other = student()
    held = Held(lambda: bool(other.calls))
    traced = Task(problems=sums(1), method=TRACED, student=other, teacher=teacher(), grader=LastWord())
    solved = plain(show_problem([direct(1, held), traced], sums(1)[0], store))
    shown = capsys.readouterr().out
    assert shown.index("── direct") < shown.index("Answer: 0") < shown.index("── trace-of-thought")
    assert [one.grade.verdict for one in solved] == ["wrong", "right"] and shown.count(" · gold ") == 2


def test_models_that_a_card_computes_are_named(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    players = Players(store, EndpointSettings())
    for name, device in (("students/a", "cuda/bfloat16"), ("students/b", "")):
        players.loaded[name] = EmbeddedModel(name, Path, engine="transformers", digest="0" * 64, device=device)
    players.fetch()
    assert capsys.readouterr().err.splitlines() == ["students/a: transformers on cuda, bfloat16"]


def test_a_grid_ends_where_its_comparison_is_decided_and_says_so(
    server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sums(80)
    server.speak = lambda body: "Answer: -1" if body["model"] == "other" else speak(body)
    until = (*DIRECT, *OTHER, *STUDENT, "--until", "decided", "--margin", "20")
    assert run(*until) == 0
    said = capsys.readouterr()
    assert "decided, they differ" in said.out and len(server.bodies) < 80
    base = said.out.split(" against ")[1][:12]
    assert f" --baseline {base}`, `stepdown traces" in said.err
    assert run(*until, "--json") == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert '"outcome":"different"' in last.replace(" ", "")


@pytest.mark.parametrize("words", [["--until", "decided"], ["--margin", "3"], ["--until", "decided", "--shard", "1/2"]])
def test_what_decides_nothing_is_refused_before_any_call(
    server: FaultyServer, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*DIRECT, *STUDENT, *words) == 2
    assert "hint:" in capsys.readouterr().err and not server.bodies
