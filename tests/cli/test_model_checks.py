"""`doctor --check`: one token of a model, how long it took and what it cost."""

import pytest

from command_line import printed
from faulty_server import FaultyServer, faulty_server
from stepdown.cli import main
from stepdown.cli.model_checks import ModelCheck


def test_one_token_is_sent_and_its_time_and_price_are_said(
    server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.speak = lambda body: "1"
    [found] = printed(capsys, "doctor", "--check", "openai/gpt-4o")
    assert found["answers"] and 0 < found["seconds"] < 10 and found["cost"] == pytest.approx((10 * 2.5 + 3 * 10) / 1e6)
    assert [(body["model"], body["max_tokens"]) for body in server.bodies] == [("gpt-4o", 1)]


def test_a_model_that_does_not_answer_is_said_with_the_others(
    server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.faults, server.speak = ["401"], lambda body: "1"
    assert main(["doctor", "--check", "openai/small", "--check", "openai/large"]) == 1
    refused, answered = capsys.readouterr().out.splitlines()
    assert refused.startswith("no  openai/small") and "OPENAI_API_KEY" in refused
    assert answered.startswith("yes openai/large: ") and "10 + 3 tokens, price unknown" in answered


def test_every_server_of_a_fleet_is_asked(
    server: FaultyServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.speak = lambda body: "1"
    with faulty_server(speak=server.speak) as other:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url},{other.url}")
        found = printed(capsys, "doctor", "--check", "openai/small")
    assert [one["address"] for one in found] == [server.url, other.url] and all(one["answers"] for one in found)


def test_a_model_at_an_address_is_checked_and_nothing_is_sent_unasked(
    server: FaultyServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.speak = lambda body: "1"
    monkeypatch.delenv("OPENAI_BASE_URL")
    [found] = printed(capsys, "doctor", "--check", "small", "--at", server.url)
    assert found["model"] == "openai-api/127.0.0.1/small" and len(server.bodies) == 1
    main(["doctor"])
    assert main(["doctor", "--at", server.url]) == 2 and len(server.bodies) == 1


def test_a_check_reads_as_a_line() -> None:
    local = ModelCheck(
        model="embedded/x", answers=True, seconds=0.25, loading=3.1, input_tokens=9, output_tokens=1, cost=0.0
    )
    assert str(local) == "yes embedded/x: 250 ms, loaded in 3.1 s; 9 + 1 tokens, $0"
