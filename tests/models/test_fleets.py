"""A fleet: several servers asked as one model."""

import asyncio
import logging
from collections import Counter
from pathlib import Path

import pytest

from fleet_world import NOBODY, FleetServerHere, ask, ask_all, fleet_of, load_fleet
from stepdown.errors import CallFailed, EndpointRefused, UsageError
from stepdown.models import EndpointModel, FleetModel, load_model
from stepdown.models.http.fleets.server_lists import ServerList, server_list
from stepdown.models.http.limits import RetryableError
from stepdown.types import Message, Reply, Sampling

ASKED = (Message("user", "What is 2 and 2?"),)


def test_calls_are_spread_over_all_servers_and_each_reply_says_which_one_answered() -> None:
    servers = [FleetServerHere() for _ in range(3)]
    with fleet_of(*servers) as addresses:
        found = Counter(reply.server for reply in ask(load_fleet(addresses), 30))
        assert set(found) == set(addresses)
    assert sum(len(server.bodies) for server in servers) == 30
    assert min(found.values()) >= 5


def test_no_server_gets_more_at_once_than_the_concurrency_of_each() -> None:
    servers = [FleetServerHere() for _ in range(2)]
    with fleet_of(*servers) as addresses:
        ask(load_fleet(addresses, concurrency=3), 40)
    assert {server.peak <= 3 for server in servers} == {True}


def test_a_call_that_fails_at_one_server_is_asked_at_another() -> None:
    broken, well = FleetServerHere(["500", "drop", "malformed"]), FleetServerHere()
    with fleet_of(broken, well) as addresses:
        replies = ask(load_fleet(addresses, concurrency=1), 6)
    assert len(replies) == 6
    assert len(broken.bodies) + len(well.bodies) == 6 + 3 - len(broken.faults)


def test_what_a_failing_server_says_again_and_again_is_not_taken_for_a_fault_of_the_call() -> None:
    servers = FleetServerHere(["500"] * 3), FleetServerHere(["500"] * 2)
    with fleet_of(*servers) as addresses:
        [reply] = ask(load_fleet(addresses))
    assert reply.server == addresses[1] and [len(one.bodies) for one in servers] == [3, 3]


def test_a_failed_call_goes_elsewhere_at_once_and_waits_where_no_other_server_takes_part() -> None:
    model = load_fleet(["http://127.0.0.1:1/v1", NOBODY])
    one, other = model.servers
    one.rejoin()
    assert model._elsewhere(one, RetryableError("500")).pause is None
    other.rejoin()
    assert model._elsewhere(one, RetryableError("500")).pause == 0.0


def test_a_fleet_is_known_by_its_name_and_model_and_never_by_an_address() -> None:
    one, two = load_fleet(["http://a/v1", "http://b/v1"]), load_fleet(["http://c:8000/v1"])
    assert one.capabilities.source == two.capabilities.source == "fleet/vllm"
    other = load_fleet(["http://a/v1"], "openai-api/lab/small")
    assert other.capabilities.source == "fleet/lab"


def test_one_address_in_the_variable_keeps_the_source_it_had(monkeypatch: pytest.MonkeyPatch) -> None:
    for address in ("http://a:8000/v1", "http://a:8000/v1,"):
        monkeypatch.setenv("VLLM_BASE_URL", address)
        model = load_model("vllm/small")
        assert isinstance(model, EndpointModel)
        assert model.capabilities.source == "http://a:8000/v1"


def test_addresses_with_commas_between_are_a_fleet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_BASE_URL", "http://a:8000/v1, http://b:8000/v1/")
    model = load_model("openai-api/lab/small")
    assert isinstance(model, FleetModel)
    assert [server.address for server in model.servers] == ["http://a:8000/v1", "http://b:8000/v1"]
    assert model.width == 32


def test_a_settings_file_names_a_fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "stepdown.toml").write_text('[models.lab]\nservers = ["http://a/v1", "http://b/v1"]\n')
    monkeypatch.chdir(tmp_path)
    model = load_model("openai-api/lab/small")
    assert isinstance(model, FleetModel)
    assert len(model.servers) == 2


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["http://a/v1", "http://A:80/v1/"], "twice"),
        (["http://a/v1", "b:8000"], "no web address"),
        ([], "names no server"),
    ],
)
def test_a_list_that_cannot_be_right_is_refused_before_any_call(given: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        load_model("vllm/small", servers=given)


def test_a_server_that_never_answers_is_named_at_the_start_and_left_out(caplog: pytest.LogCaptureFixture) -> None:
    with fleet_of(FleetServerHere()) as [address], caplog.at_level(logging.WARNING):
        replies = ask(load_fleet([address, NOBODY]), 5)
    assert {reply.server for reply in replies} == {address}
    assert f"`{NOBODY}` is left out: nothing listens" in caplog.text


def test_a_server_that_is_added_and_does_not_answer_is_named(caplog: pytest.LogCaptureFixture) -> None:
    async def add(model: FleetModel, listed: ServerList) -> None:
        await model.prepare()
        model.tending._follow(listed)
        for _ in range(2):
            await model.tending._check(model.servers[-1])
        await model.close()

    with fleet_of(FleetServerHere()) as [address], caplog.at_level(logging.WARNING):
        asyncio.run(add(load_fleet([address]), server_list([address, NOBODY], "it")))
    assert "1 server added" in caplog.text
    assert caplog.text.count(f"`{NOBODY}` is left out: nothing listens") == 1


def test_an_added_server_of_another_model_is_said_once_however_often_it_is_tried(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def add(model: FleetModel, listed: ServerList) -> None:
        await model.prepare()
        model.tending._follow(listed)
        for _ in range(3):
            model.servers[-1].reported = 0.0  # as after a while
            await model.tending._check(model.servers[-1])
        await model.close()

    with fleet_of(FleetServerHere(), FleetServerHere(serves=["large"])) as [here, other], caplog.at_level("WARNING"):
        asyncio.run(add(load_fleet([here]), server_list([here, other], "it")))
    assert caplog.text.count(f"`{other}` is left out: it does not serve `small`, but `large`") == 1


def test_a_fleet_without_a_server_left_is_refused_with_the_reason_of_each() -> None:
    with fleet_of(FleetServerHere()) as [gone]:
        pass
    with pytest.raises(EndpointRefused) as refused:
        ask(load_fleet([gone, NOBODY]))
    assert refused.value.exit_code == 4
    assert f"`{gone}`: nothing listens" in refused.value.what
    assert f"`{NOBODY}`: nothing listens" in refused.value.what


def test_servers_that_name_different_models_are_refused() -> None:
    servers = FleetServerHere(), FleetServerHere(serves=["large"])
    with fleet_of(*servers) as addresses, pytest.raises(EndpointRefused, match="do not serve `small`") as refused:
        ask(load_fleet(addresses))
    assert f"`{addresses[1]}` has `large`" in refused.value.what
    assert servers[0].bodies == servers[1].bodies == []


def test_a_server_that_lists_no_models_takes_part() -> None:
    with fleet_of(FleetServerHere(serves=None)) as [address]:
        assert ask(load_fleet([address]))[0].server == address


def test_servers_that_refuse_the_key_end_the_run_once_all_have() -> None:
    servers = FleetServerHere(["401"] * 9), FleetServerHere(["401"] * 9)
    with fleet_of(*servers) as addresses, pytest.raises(EndpointRefused, match="no server of the fleet `vllm/small`"):
        ask(load_fleet(addresses))


def test_a_prompt_that_is_too_long_fails_its_call_and_no_server() -> None:
    server = FleetServerHere(["400-long"])
    with fleet_of(server) as [address]:
        model = load_fleet([address])
        with pytest.raises(CallFailed):
            ask(model)
        assert ask(model)[0].text == "The answer is 4."


def test_a_busy_server_is_left_alone_and_its_calls_go_elsewhere() -> None:
    busy, well = FleetServerHere(["429", "429"]), FleetServerHere()
    with fleet_of(busy, well) as addresses:
        replies = ask(load_fleet(addresses, concurrency=1), 8)
    assert len(replies) == 8
    assert len(busy.bodies) == 1


def test_a_stream_is_opened_elsewhere_where_one_server_fails_and_says_who_answered() -> None:
    async def stream(model: FleetModel) -> list[object]:
        found: list[object] = [piece async for piece in model.stream(ASKED, Sampling())]
        await model.close()
        return found

    broken, well = FleetServerHere(["500"]), FleetServerHere()
    with fleet_of(broken, well) as addresses:
        reply = asyncio.run(stream(load_fleet(addresses)))[-1]
    assert isinstance(reply, Reply)
    assert reply.server == addresses[1]


def test_a_server_that_hangs_loses_its_calls_to_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stepdown.models.http.fleets.fleet_server._SUSPECT_AT_FIRST", 0.05)
    monkeypatch.setattr("stepdown.models.http.fleets.fleet_server._SOONEST", 0.05)
    monkeypatch.setattr("stepdown.models.http.fleets.tending.TICK", 0.02)
    monkeypatch.setattr("stepdown.models.http.fleets.tending.PROBE_SECONDS", 0.5)
    hung, well = FleetServerHere(["hang"] * 9, lists=1), FleetServerHere()
    with fleet_of(hung, well) as addresses:
        replies = ask(load_fleet(addresses, concurrency=2), 12)
        assert len(hung.bodies) == 2
        assert {reply.server for reply in replies} == {addresses[1]}


def test_a_fleet_can_be_asked_from_another_event_loop_after_it_was_closed() -> None:
    with fleet_of(FleetServerHere(), FleetServerHere()) as addresses:
        model = load_fleet(addresses)
        assert len(ask(model, 4)) + len(ask(model, 4)) == 8


def test_a_second_run_over_other_servers_pays_for_nothing(tmp_path: Path) -> None:
    from stepdown import Problem, Store, run

    problems = [Problem(f"p/{number}", f"What is {number} and 2?", "4") for number in range(4)]
    first, second = FleetServerHere(), FleetServerHere()
    with fleet_of(first, second) as addresses, Store(tmp_path / "s.sqlite") as store:
        for address in addresses:
            run(problems, "direct", student=load_fleet([address]), store=store)
    assert (len(first.bodies), len(second.bodies)) == (4, 0)


def test_asking_all_at_once_keeps_the_order_of_questions() -> None:
    with fleet_of(FleetServerHere(), FleetServerHere()) as addresses:
        replies = asyncio.run(ask_all(load_fleet(addresses), 3))
    assert [reply.text for reply in replies] == ["The answer is 4."] * 3
