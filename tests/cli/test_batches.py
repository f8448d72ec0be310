"""Calls by batch APIs: half the price, nothing lost, nothing bought twice."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from batch_server import ENDINGS, BatchServer, batch_server
from command_line import write_sums
from stepdown.cli import main
from stepdown.models import Prices
from stepdown.models.http.batches import batch_session, openai_batches, vllm_files
from stepdown.reports import lost_costs
from stepdown.runner import BatchClient, batch_client
from stepdown.store import Store, lost_calls

NAMES = ["--method", "tot", "--student", "openai-api/lab/student", "--teacher", "openai-api/lab/teacher"]
PRICES = (
    '{"openai-api/lab/student": {"input": 10, "output": 100}, "openai-api/lab/teacher": {"input": 10, "output": 100}}'
)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BatchServer]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(batch_client, "PAUSES", (0.01,))
    write_sums(7)
    Path("prices.json").write_text(PRICES)
    with batch_server() as server:
        monkeypatch.setenv("LAB_BASE_URL", server.url)
        yield server


def run(*more: str) -> int:
    return main(["run", "sums.jsonl", *NAMES, "--prices", "prices.json", *more])


def batched(*more: str) -> int:
    return run("--batch", *more)


def paid() -> tuple[int, int]:
    """Return the tokens that the store says were paid, of batches alone."""
    with Store("stepdown.sqlite", reading=True) as store:
        usages = [usage for _, usage in store.paid([run.id for run in store.runs()])]
    assert all(usage.batched == 1 for usage in usages)
    return sum(one.input for one in usages), sum(one.output for one in usages)


def rows(*words: str, capsys: Any) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_plans_are_one_batch_and_solutions_the_next(server: BatchServer) -> None:
    assert batched() == 0
    assert [len(held.lines) for held in server.batches.values()] == [7, 7] and not server.direct
    assert set(server.billed.values()) == {1} and paid() == tuple(server.tokens)


def test_it_costs_half_to_the_cent_and_a_direct_run_finds_its_calls(server: BatchServer, capsys: Any) -> None:
    assert batched() == 0 and run() == 0 and not server.direct
    [found] = rows("report", "--prices", "prices.json", capsys=capsys)
    given, written = server.tokens
    assert found["rows"][0]["cost"] == pytest.approx((given * 10 + written * 100) / 1e6 / 2, abs=1e-12)


def test_a_grid_and_its_shared_calls_go_together(server: BatchServer) -> None:
    assert batched("--method", "cot") == 0
    assert [len(held.lines) for held in server.batches.values()] == [7, 7, 7] and set(server.billed.values()) == {1}


def test_what_is_sent_and_what_was_there_is_counted_once_over_all_passes(server: BatchServer, capsys: Any) -> None:
    server.endings = ["expired"]
    assert batched("--leave") == 6 and main(["batches", "collect"]) == 0
    [row] = rows("run", "sums.jsonl", *NAMES, "--batch", capsys=capsys)
    assert (row["calls"], row["cached"]) == (10, 4), "4 of 7 plans were there"


def test_what_is_asked_directly_beside_batches_is_counted_once_too(
    server: BatchServer, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    server.endings = ["expired"]
    monkeypatch.setenv("OLLAMA_BASE_URL", server.url)
    mixed = ["--method", "tot", "--student", "ollama/student", "--teacher", NAMES[5], "--batch"]
    [row] = rows("run", "sums.jsonl", *mixed, capsys=capsys)
    assert (row["calls"], row["cached"]) == (14, 0)


def test_draws_of_a_prompt_are_one_request(server: BatchServer) -> None:
    assert batched("--samples", "3", "--temperature", "0.7") == 0
    assert [held.lines[0][1].get("n", 1) for held in server.batches.values()] == [1, 3]


def test_what_was_left_is_taken_up_by_the_same_command(server: BatchServer, capsys: Any) -> None:
    assert batched("--leave") == 6 and "the same command goes on" in capsys.readouterr().err
    [row] = rows("batches", capsys=capsys)
    assert (row["state"], row["calls"], row["answered"]) == ("sent", 7, 0)
    assert batched("--leave") == 6 and len(server.batches) == 1, "nothing is sent twice"
    assert main(["batches", "wait"]) == 0 and batched() == 0
    assert len(server.batches) == 2 and set(server.billed.values()) == {1}


def test_who_asks_directly_is_told_that_a_batch_has_it(server: BatchServer, capsys: Any) -> None:
    assert batched("--leave") == 6 and run() == 6
    assert "batches wait" in capsys.readouterr().err and not server.direct
    assert main(["batches", "collect"]) == 0 and run() == 0
    assert len(server.direct) == 7 and set(server.billed.values()) == {1}


@pytest.mark.slow
def test_however_batches_end_every_answer_is_kept_and_none_bought_twice(server: BatchServer) -> None:
    write_sums(60)
    server.endings, server.drops, server.busy = list(ENDINGS), 1, 2
    assert batched() == 1, "what was refused for good is a failed trace"
    assert all(server.ended[ending] for ending in ENDINGS) and not server.direct
    assert set(server.billed.values()) == {1} and paid() == tuple(server.tokens)
    assert run() == 0, "refused once, answered at once"
    assert set(server.billed.values()) == {1} and 0 < len(server.direct) < 60


def test_a_batch_that_is_told_of_in_odd_words_is_looked_at_again(server: BatchServer, capsys: Any) -> None:
    server.endings = ["odd-counts"]
    assert batched() == 0 and "cannot be read (AttributeError); it is looked at again" in capsys.readouterr().err
    assert set(server.billed.values()) == {1} and paid() == tuple(server.tokens)


def test_a_line_that_stands_twice_is_not_taken_for_one_that_comes_late(server: BatchServer) -> None:
    server.endings = ["late-line"]
    assert batched() == 0 and server.ended["late-line"] == 1 and len(server.batches) == 2
    assert set(server.billed.values()) == {1} and paid() == tuple(server.tokens)


def test_an_answer_that_stands_behind_a_failure_of_its_own_is_kept(server: BatchServer) -> None:
    server.endings = ["failed-too"]
    assert batched() == 0 and len(server.batches) == 2
    assert set(server.billed.values()) == {1} and paid() == tuple(server.tokens)


def test_half_a_pair_of_surrogates_in_an_answer_stops_nothing(server: BatchServer) -> None:
    server.say = lambda body: "Answer: 1 \ud83d"
    for prefix in ("openai-api", "anthropic-messages", "gemini-generate"):
        student = f"{prefix}/lab/student"
        assert main(["run", "sums.jsonl", "--student", student, "--method", "cot", "--batch"]) == 0
    with Store("stepdown.sqlite", reading=True) as store:
        assert {trace.solution for run in store.runs() for trace in run} == {"Answer: 1 ?"}


@pytest.mark.parametrize("most", [1_000, 1_000_000])
def test_a_line_that_is_too_long_is_passed_over(
    server: BatchServer, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(batch_session, "MOST_BYTES", most)
    server.endings = ["long-line"]
    assert batched() == 0 and set(server.billed.values()) == {1} and paid() == tuple(server.tokens)


def test_a_batch_whose_creation_named_no_id_is_found_and_not_sent_again(server: BatchServer) -> None:
    server.nameless = 1
    assert batched() == 0 and not server.nameless and len(server.batches) == 2
    assert set(server.billed.values()) == {1} and paid() == tuple(server.tokens)


def test_an_answer_that_is_counted_and_never_comes_counts_as_lost(server: BatchServer) -> None:
    server.endings = ["lost-line"]
    assert batched() == 0 and sorted(server.billed.values())[-2:] == [1, 2], "it is asked again"
    with Store("stepdown.sqlite", reading=True) as store:
        [run] = store.runs()
        [found] = lost_costs([run], Prices("prices.json"))
    assert (found.model, found.calls) == ("openai-api/lab/teacher", 1) and found.input > 0
    assert found.cost == pytest.approx((10 * found.input + 100 * found.output) / 1e6 / 2), "half the price"


def test_a_batch_that_its_provider_denies_for_a_while_is_not_sent_again(server: BatchServer) -> None:
    server.endings = ["denied"]
    assert batched() == 0 and len(server.batches) == 2
    assert set(server.billed.values()) == {1} and paid() == tuple(server.tokens)


def test_a_batch_that_its_provider_has_forgotten_counts_as_lost_and_is_asked_again(server: BatchServer) -> None:
    server.endings = ["forgotten"]
    assert batched() == 0 and len(server.batches) == 3
    with Store("stepdown.sqlite", reading=True) as store:
        [run] = store.runs()
        assert [one.model for one in lost_calls(run)] == ["openai-api/lab/teacher"] * 7


def test_a_nightly_look_gives_up_what_is_two_days_old(server: BatchServer, capsys: Any) -> None:
    server.endings = ["forgotten"]
    assert batched("--leave") == 6 and main(["batches", "collect"]) == 0
    [row] = rows("batches", capsys=capsys)
    assert row["state"] == "sent", "looked at once, it may only be late"
    with Store("stepdown.sqlite") as store, store.writing() as db:
        db.execute("update batches set created = created - 2 * 86400")
    assert main(["batches", "collect"]) == 0
    [row] = rows("batches", capsys=capsys)
    assert (row["state"], row["note"]) == ("ended", "the provider knows it no more")


@pytest.mark.parametrize(
    ("sent", "note", "billed"), [(True, "completed", 7), (False, "cancelled before it was sent", 0)]
)
def test_a_batch_is_not_sent_once_cancelled_before_one_knows_whether_it_was(
    server: BatchServer, capsys: Any, sent: bool, note: str, billed: int
) -> None:
    server.drops, server.seconds = 1, 60
    student = "anthropic-messages/lab/student"
    assert main(["run", "sums.jsonl", "--student", student, "--method", "cot", "--batch", "--leave"]) == 6
    [row] = rows("batches", capsys=capsys)
    assert row["state"] == "prepared" and main(["batches", "cancel", row["batch"]]) == 0
    [row] = rows("batches", capsys=capsys)
    assert (row["state"], row["note"]) == ("prepared", "to be cancelled")
    server.forget() if not sent else server.hurry()
    assert main(["batches", "wait"]) == 0 and len(server.billed) == billed
    [row] = rows("batches", capsys=capsys)
    assert (row["state"], row["note"], len(server.batches)) == ("ended", note, int(sent))


def test_who_waits_for_no_batch_rests_before_it_looks_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    rests = []

    async def rest(seconds: float, stopped: object) -> None:
        rests.append(seconds)

    monkeypatch.setattr(batch_client, "_rest", rest)
    asyncio.run(BatchClient(store).wait(lambda: False))
    assert rests == [batch_client.PAUSES[0]]


def test_a_batch_that_is_over_is_taken_up_when_it_is_to_be_cancelled(server: BatchServer, capsys: Any) -> None:
    assert batched("--leave") == 6
    [row] = rows("batches", capsys=capsys)
    assert main(["batches", "cancel", row["batch"]]) == 0
    [row] = rows("batches", capsys=capsys)
    assert (row["state"], row["note"], row["answered"]) == ("ended", "completed", 7)


def test_a_cancelled_batch_keeps_what_it_answered(server: BatchServer, capsys: Any) -> None:
    server.seconds = 60
    assert batched("--leave") == 6
    [row] = rows("batches", capsys=capsys)
    assert main(["batches", "cancel", row["batch"]]) == 0
    [row] = rows("batches", capsys=capsys)
    assert (row["state"], row["note"], row["answered"]) == ("ended", "cancelled", 4)
    server.seconds = 0
    assert batched() == 0 and set(server.billed.values()) == {1}


def test_all_lines_are_asked_again_without_the_fields_that_their_model_refuses(server: BatchServer) -> None:
    server.refuses = ("temperature", "top_p", "seed", "n")
    drawn = ["--method", "direct", "--samples", "2", "--temperature", "0.7", "--top-p", "0.9", "--seed", "5"]
    assert main(["run", "sums.jsonl", "--student", NAMES[3], "--batch", *drawn]) == 0
    *refused, last = server.batches.values()
    fields = [next(one for one in server.refuses if one in held.lines[0][1]) for held in refused]
    assert fields == list(server.refuses), "one more is known each time, of all lines"
    assert len(last.lines) == sum(server.billed.values()) == 14


def test_a_budget_is_kept_at_the_prices_of_batches(server: BatchServer, capsys: Any) -> None:
    [row] = rows("run", "sums.jsonl", *NAMES, "--prices", "prices.json", "--batch", "--estimate", capsys=capsys)
    [full] = rows("run", "sums.jsonl", *NAMES, "--prices", "prices.json", "--estimate", capsys=capsys)
    assert row["cost"] == pytest.approx(full["cost"] / 2)
    assert batched("--budget", "0.01") == 3 and not server.batches
    assert "$0.0000 of $0.0100; the next call may cost $0.05" in capsys.readouterr().err
    assert batched("--budget", "0.2") == 0, "what was answered for less than its most makes room for the next"
    assert [len(held.lines) for held in server.batches.values()][:2] == [3, 3]


def test_a_model_without_a_batch_api_is_refused_by_name(server: BatchServer, capsys: Any) -> None:
    assert main(["run", "sums.jsonl", "--student", "ollama/m", "--method", "direct", "--batch"]) == 2
    assert "`ollama/m`: no batch API" in capsys.readouterr().err and main(["batches", "wait", "b1"]) == 2


@pytest.mark.parametrize("prefix", ["anthropic-messages", "gemini-generate", "openai-responses"])
def test_every_provider_is_asked_in_its_own_words(server: BatchServer, prefix: str) -> None:
    server.drops, server.endings, server.behind = 1, ["500-lines"], 600
    student = f"{prefix}/lab/student"
    assert main(["run", "sums.jsonl", "--student", student, "--method", "cot", "--batch"]) == 0
    assert [len(held.lines) for held in server.batches.values()] == [7, 3], "those that failed are asked again, alone"
    assert set(server.billed.values()) == {1} and paid() == tuple(server.tokens)


def test_azures_batches_are_of_the_resource_and_wait_for_their_file(
    server: BatchServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openai_batches, "PAUSE", 0.01)
    monkeypatch.setenv("AZURE_OPENAI_BASE_URL", server.url.removesuffix("/v1"))
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "k")
    server.azure, server.drops, server.endings = True, 1, ["expired"]
    assert main(["run", "sums.jsonl", "--student", "azure/mini", "--method", "cot", "--batch"]) == 0
    assert server.urls == {"/chat/completions"} and len(server.ready) == 2
    assert all(body["model"] == "mini" for held in server.batches.values() for _, body in held.lines)
    assert set(server.billed.values()) == {1} and paid() == tuple(server.tokens)


def test_vllms_files_are_written_for_whoever_has_the_cards(server: BatchServer, capsys: Any) -> None:
    command = ["run", "sums.jsonl", "--student", "vllm/student", "--method", "cot", "--batch"]
    assert main([*command, "--leave"]) == 6
    assert main(["batches", "collect"]) == 0 and "vllm run-batch -i" in capsys.readouterr().out
    [asked] = Path("stepdown.sqlite.batches").glob("*.jsonl")
    bodies = [json.loads(line) for line in asked.read_text().splitlines()]
    lines = [{"custom_id": one["custom_id"], "response": {"status_code": 200, "body": server.answer(one["body"], "")}}
             for one in bodies]  # fmt: skip
    asked.with_name(f"{asked.stem}.out.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert main(command) == 0 and len(lines) == 7 and paid() == tuple(server.tokens)


def test_one_look_takes_up_vllms_answers_where_some_failed(
    server: BatchServer, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    assert main(["run", "sums.jsonl", "--student", "vllm/student", "--method", "cot", "--batch", "--leave"]) == 6
    [asked] = Path("stepdown.sqlite.batches").glob("*.jsonl")
    monkeypatch.setattr(vllm_files, "MOST_BYTES", 1_000)
    bodies = [json.loads(line) for line in asked.read_text().splitlines()]
    answers = [(500, {"error": "out of memory"}), *((200, server.answer(one["body"], "")) for one in bodies[1:])]
    lines = [{"custom_id": one["custom_id"], "response": {"status_code": status, "body": body}}
             for one, (status, body) in zip(bodies, answers, strict=True)]  # fmt: skip
    asked.with_name(f"{asked.stem}.out.jsonl").write_text("\n".join(["x" * 3_000, *map(json.dumps, lines)]))
    assert main(["batches", "collect"]) == 0
    [row] = rows("batches", capsys=capsys)
    assert (row["state"], row["answered"], row["failed"]) == ("ended", 6, 1)
