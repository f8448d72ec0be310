"""A served cascade that hands on another share of questions than it was calibrated for says so, with a way out."""

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from small_endpoint import Endpoint, endpoint, post_json
from solving_site import solved_run
from stepdown.errors import UsageError
from stepdown.models import ScriptedModel
from stepdown.runner import plain
from stepdown.store import HandedOn, Store, StoredTrace, all_handed_on
from stepdown.types import GREEDY, Call, Message, Problem, Reply, Role, Sampling, Trace
from stepdown.web.app import make_app
from stepdown.web.config import Config, Served
from stepdown.web.in_process import ask_in_process
from stepdown.web.openai.drift_alarm import Calibrated, went_on
from stepdown.web.state import State
from worlds import teacher

VOTES = Sampling(0.7)


def calibrated(handed_on: int, total: int) -> Config:
    served = Served(
        method="trace-of-thought", student="openai/student", teacher="openai/teacher", planner="openai/small", votes=3
    )
    return Config(models={"careful": msgspec.structs.replace(served, handed_on=handed_on, calibrated_on=total)})


def players() -> dict[str, ScriptedModel]:
    """A student of whose samples no two agree, with its planner and teacher."""
    student = ScriptedModel(lambda messages, sampling, sample: f"Answer: {sample}", "openai/student")
    return {"openai/student": student} | {name: teacher(name) for name in ("openai/teacher", "openai/small")}


def ask(served: Endpoint, numbers: Iterable[int], **options: Any) -> None:
    for number in numbers:
        asked = [{"role": "user", "content": f"What is {number} plus one?"}]
        assert post_json(served.url, {"model": "careful", "messages": asked, **options})[0] == 200


def counted(served: Endpoint) -> list[HandedOn]:
    with served.store() as store:
        return list(all_handed_on(store).values())


def cascade_row(number: int) -> StoredTrace:
    """A question that a cascade handed on: a plan, a vote, a last solution."""
    ask, problem = (Message("user", f"{number}?"),), Problem(f"ask/{number}", f"{number}?", "")
    roles: list[tuple[Role, Sampling]] = [("teacher", GREEDY), ("student", VOTES), ("student", GREEDY)]
    calls = tuple(Call(role, "m", ask, sampling, Reply("1", "m")) for role, sampling in roles)
    return StoredTrace(number, Trace(problem, "trace-of-thought", calls=calls, solution="1"), ())


def test_servers_on_one_store_count_every_question(store: Store) -> None:
    cascade, begin = Calibrated("careful", 90, 100, 3, VOTES), threading.Barrier(2)
    run = solved_run(store)

    def serve() -> None:
        with Store(store.path) as own:
            begin.wait(10)
            for number in range(40):
                cascade.watch(own.run(run.id), cascade_row(number))

    servers = [threading.Thread(target=serve) for _ in range(2)]
    for work in (threading.Thread.start, threading.Thread.join):
        list(map(work, servers))
    [found] = all_handed_on(store).values()
    assert (found.on, found.seen) == (80, 80)


async def page_and_model(path: Path, config: Config) -> tuple[str, str]:
    state = State(path, config=config, read_only=True)
    try:
        app = make_app(state)
        found = [await ask_in_process(app, address) for address in ("/served", "/v1/models/careful")]
    finally:
        await state.close()
    return found[0].body.decode(), found[1].body.decode()


def test_a_question_counts_once_and_only_as_it_was_calibrated(tmp_path: Path) -> None:
    with endpoint(tmp_path, players(), config=calibrated(90, 100)) as served:
        ask(served, (1, 2, 2, 1))
        ask(served, (3,), temperature=1.5)
        [found] = counted(served)
    assert (found.on, found.seen, found.alarm) == (2, 2, 0)


@pytest.mark.parametrize(
    ("drawn", "counts"),
    [(VOTES, True), (Sampling(0.9), None), (Sampling(0.7, max_tokens=9), None),
     (Sampling(0.7, reasoning_effort="high"), None)],
)  # fmt: skip
def test_a_question_drawn_otherwise_than_it_was_calibrated_does_not_count(drawn: Sampling, counts: bool | None) -> None:
    assert went_on(cascade_row(1), drawn) is counts


def test_votes_that_agree_hand_nothing_on(tmp_path: Path) -> None:
    agreeing = ScriptedModel(lambda messages, sampling, sample: "Answer: 7", "openai/student")
    with endpoint(tmp_path, players() | {"openai/student": agreeing}, config=calibrated(9, 10)) as served:
        ask(served, range(3))
        [found] = counted(served)
    assert (found.on, found.seen) == (0, 3)


def test_the_alarm_is_said_once_in_the_log_and_stays_after_a_restart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for numbers in (range(4), range(4, 8)):
        with endpoint(tmp_path, players(), config=calibrated(3, 300)) as served:
            ask(served, numbers)
            [found] = counted(served)
    said = capsys.readouterr().err
    assert (found.on, found.seen, found.alarm) == (8, 8, 1) and 1 < found.alarm_at < 8
    assert said.count("drift: cascade `careful` hands on more") == 1 and "against 3 of 300" in said
    assert "calibrate` again" in said


def test_the_page_and_the_list_of_models_say_it(tmp_path: Path) -> None:
    config = calibrated(3, 300)
    with endpoint(tmp_path, players(), config=config) as served:
        ask(served, range(4))
    page, model = plain(page_and_model(tmp_path / "served.sqlite", config))
    assert "Drift:" in page and "more, after" in page and "1.0 of 300" in page
    assert "hands on more" in model
    page, model = plain(page_and_model(tmp_path / "served.sqlite", calibrated(250, 300)))
    assert "hands on more" not in model


def test_a_file_without_the_calibration_is_served_as_before(tmp_path: Path) -> None:
    with endpoint(tmp_path, players(), config=calibrated(0, 0)) as served:
        ask(served, range(4))
        assert counted(served) == []


@pytest.mark.parametrize(("planner", "handed_on", "total"), [("openai/small", 3, 0), ("", 1, 2)])
def test_a_calibration_that_cannot_be_is_refused(planner: str, handed_on: int, total: int) -> None:
    served = calibrated(handed_on, total).models["careful"]
    with pytest.raises(UsageError, match="calibrates no cascade"):
        msgspec.structs.replace(served, planner=planner).check()
