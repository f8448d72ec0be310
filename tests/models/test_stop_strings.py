"""Where a model is stopped: by default before another problem, and only where it would go on by itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import stepdown as sd
from command_line import speak, sums_at_hand
from faulty_server import Body, FaultyServer
from stepdown.cli import main
from stepdown.models import ScriptedModel
from stepdown.prompts import DEFAULT, load_prompts, with_stops
from stepdown.runner import run_tasks
from stepdown.training.sampling import sampling_task
from stepdown.types import GREEDY, Sampling
from stepdown.usual_stops import ANOTHER, BLANK
from worlds import solver, sums


def test_a_chat_model_that_is_shown_no_examples_ends_by_itself() -> None:
    assert with_stops(GREEDY, None, DEFAULT) is GREEDY


def test_completed_text_and_shown_examples_end_before_another_problem() -> None:
    assert with_stops(GREEDY, None, DEFAULT, completes=True).stop == ANOTHER
    assert with_stops(GREEDY, None, DEFAULT, examples=True).stop == ANOTHER


def test_scotds_own_form_ends_at_a_blank_line() -> None:
    assert with_stops(GREEDY, None, load_prompts("scotd"), examples=True).stop == BLANK


def test_what_is_given_counts_and_nothing_given_is_no_stop() -> None:
    assert with_stops(GREEDY, ("END",), DEFAULT, examples=True).stop == ("END",)
    assert with_stops(GREEDY, (), DEFAULT, examples=True).stop == ()
    assert with_stops(Sampling(stop=("own",)), None, DEFAULT, examples=True).stop == ("own",)


def test_chains_after_demonstrations_are_stopped_and_zero_shot_ones_are_not() -> None:
    teacher = ScriptedModel(solver)
    assert sampling_task(sums(1), teacher).sampling.stop == ANOTHER
    assert sampling_task(sums(1), teacher, zero_shot=True).sampling.stop == ()
    assert sampling_task(sums(1), teacher, stops=()).sampling.stop == ()


def test_a_reply_that_was_paid_for_without_stops_is_not_asked_again(tmp_path: Path) -> None:
    asked, store = ScriptedModel(solver), sd.open_store(tmp_path / "store.sqlite")
    before = sampling_task(sums(2), asked, chains=2, stops=())
    after = sampling_task(sums(2), asked, chains=2)
    first, again = (run_tasks([task], store)[0].run for task in (before, after))
    assert first.id == again.id and len(asked.calls) == 4


def test_a_run_with_stops_of_its_own_is_another_run(tmp_path: Path) -> None:
    asked, store = ScriptedModel(solver), sd.open_store(tmp_path / "store.sqlite")
    tasks = [sampling_task(sums(2), asked, chains=2, stops=stops) for stops in ((), ("END",))]
    first, other = (run_tasks([task], store)[0].run for task in tasks)
    assert first.id != other.id and len(asked.calls) == 8


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyServer]:
    with sums_at_hand(tmp_path, monkeypatch, count=1, speak=_completed) as started:
        yield started


def _completed(body: Body) -> str:
    """Answer a chat or a prompt for a completion."""
    prompt = str(body.get("prompt") or body["messages"][-1]["content"])
    return speak({"model": body["model"], "messages": [{"content": prompt}]})


@pytest.mark.parametrize(
    ("student", "options", "sent"),
    [
        ("openai-completions/openai/student", (), list(ANOTHER)),
        ("openai-completions/openai/student", ("--stop", ""), None),
        ("openai/student", (), None),
        ("openai/student", ("--stop", "END", "--stop", r"\n\n"), ["END", "\n\n"]),
    ],
)
def test_a_command_sends_the_stops_it_is_given_or_the_usual_ones(
    student: str, options: tuple[str, ...], sent: list[str] | None, server: FaultyServer
) -> None:
    assert main(["run", "sums.jsonl", "--method", "direct", "--student", student, *options]) == 0
    assert [body.get("stop") for body in server.bodies] == [sent]


def test_more_stops_than_an_endpoint_takes_are_refused(server: FaultyServer) -> None:
    many = [word for one in "abcde" for word in ("--stop", one)]
    assert main(["run", "sums.jsonl", "--method", "direct", "--student", "openai/student", *many]) == 2
    assert not server.bodies
