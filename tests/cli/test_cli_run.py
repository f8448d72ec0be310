"""`stepdown run`: what a command sends, what it says at the end, and with which code it ends."""

import json
import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from command_line import PLAN, speak, write_sums
from faulty_server import Body, FaultyServer
from stepdown.cli import main

CONTRACT = {
    "run", "right", "graded", "total", "truncated", "errors", "calls", "cached", "tokens", "cost", "seconds",
}  # fmt: skip
STUDENT, TEACHER = ("--student", "openai/student"), ("--teacher", "openai/teacher")
DIRECT, TRACED = ("--method", "direct"), ("--method", "trace-of-thought")


def run(*options: str) -> int:
    return main(["run", "sums.jsonl", *options])


def results(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_json_ends_with_one_object_per_run_that_has_the_contracts_fields(
    server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*TRACED, *STUDENT, *TEACHER, "--json") == 0
    (found,) = results(capsys)
    assert found.keys() >= CONTRACT and found["version"] == 1
    assert (found["right"], found["graded"], found["total"], found["calls"], found["cached"]) == (6, 6, 6, 12, 0)
    assert found["tokens"] == {"teacher": 78, "student": 78}


def test_methods_students_and_teachers_make_a_grid(server: FaultyServer, capsys: pytest.CaptureFixture[str]) -> None:
    grid = (*DIRECT, *TRACED, *STUDENT, "--student", "openai/other", *TEACHER, "--teacher", "openai/student")
    assert run(*grid, "--json") == 0
    names = [(one["method"], one["student"], one["teacher"]) for one in results(capsys)]
    assert len(names) == len(set(names)) == 6
    assert names[:3] == [
        ("direct", "openai/student", ""),
        ("trace-of-thought", "openai/student", "openai/teacher"),
        ("trace-of-thought", "openai/student", "openai/student"),
    ]


def test_students_share_the_plans_of_a_grid(server: FaultyServer) -> None:
    assert run(*TRACED, *STUDENT, "--student", "openai/other", *TEACHER) == 0
    assert [body["model"] for body in server.bodies].count("teacher") == 6


def test_what_an_audit_will_find_is_kept_when_the_run_ends(server: FaultyServer) -> None:
    assert run(*TRACED, *STUDENT, *TEACHER) == 0
    with closing(sqlite3.connect("stepdown.sqlite")) as db:
        assert db.execute("select count(*) from summaries where kind = 'audit'").fetchone() == (1,)


@pytest.mark.parametrize("verb", [("run", "sums.jsonl"), ("run", "sums.jsonl", "--estimate"), ("ask", "What is 2?")])
@pytest.mark.parametrize("given", [("--servers", "vllm=servers.txt"), ("--on", "ray")])
def test_what_is_for_models_that_nobody_asks_is_refused_before_anything_is_sent(
    verb: tuple[str, ...], given: tuple[str, ...], server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("servers.txt").write_text("http://127.0.0.1:9/v1")
    assert main([*verb, *DIRECT, *STUDENT, *given]) == 2
    assert f"so `{given[0]}` would have no effect" in capsys.readouterr().err and server.bodies == []


def test_the_same_command_again_sends_nothing(server: FaultyServer, capsys: pytest.CaptureFixture[str]) -> None:
    run(*TRACED, *STUDENT, *TEACHER, "--json")
    run(*TRACED, *STUDENT, *TEACHER, "--json")
    first, again = results(capsys)
    assert len(server.bodies) == 12
    assert (again["calls"], again["cached"], again["paid"]["tokens"]) == (0, 12, 0)
    assert first["tokens"] == again["tokens"]


def test_one_command_compares_a_teachers_plans_with_recorded_ones(
    server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    run(*TRACED, *STUDENT, *TEACHER, "--json")
    (earlier,) = results(capsys)
    assert (
        run(*TRACED, "--student", "openai/other", *TEACHER, "--plans", "teacher", "--plans", earlier["run"], "--json")
        == 0
    )
    assert [one["plans"].partition(":")[0] for one in results(capsys)] == ["teacher", f"recorded/{earlier['run']}"]


def test_a_control_is_a_run_of_its_own(server: FaultyServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*TRACED, *STUDENT, *TEACHER, "--control", "none", "--control", "masked", "--json") == 0
    assert [one["control"] for one in results(capsys)] == ["", "masked@2"]


def test_of_several_samples_the_majority_decides_per_problem(
    server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*DIRECT, *STUDENT, "--samples", "3", "--temperature", "0.7", "--json") == 0
    (found,) = results(capsys)
    assert (found["right"], found["total"], found["samples"]) == (6, 6, 3)


def test_a_failed_call_leaves_its_problem_ungraded_and_ends_with_1(
    server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.faults = ["400-long"]
    assert run(*DIRECT, *STUDENT, "--json") == 1
    (found,) = results(capsys)
    assert (found["right"], found["graded"], found["total"], found["errors"]) == (5, 5, 6, 1)
    assert run(*DIRECT, *STUDENT, "--json") == 0


def test_a_refused_key_ends_with_4_and_is_not_shown(server: FaultyServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.faults = ["401"] * 6
    assert run(*DIRECT, *STUDENT) == 4
    said = capsys.readouterr()
    assert "error:" in said.err and "hint:" in said.err and "Traceback" not in said.err
    assert "sk-very-secret" not in said.err + said.out


def test_where_nothing_was_graded_no_report_is_suggested(
    server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.faults = ["401"] * 6
    assert run(*DIRECT, *STUDENT) == 4
    assert "next:" not in capsys.readouterr().err


def test_an_unknown_data_set_leaves_no_store_behind(server: FaultyServer) -> None:
    assert main(["run", "sumz", *DIRECT, *STUDENT]) == 2
    assert not Path("stepdown.sqlite").exists()


def test_recorded_plans_are_said_to_be_their_authors(server: FaultyServer, capsys: pytest.CaptureFixture[str]) -> None:
    run(*TRACED, *STUDENT, *TEACHER, "--json")
    (earlier,) = results(capsys)
    run(*TRACED, "--student", "openai/other", "--plans", earlier["run"], "--control", "masked")
    assert "teacher, recorded, masked" in capsys.readouterr().out


def test_a_bad_task_anywhere_in_the_grid_is_refused_before_the_first_call(
    server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*DIRECT, *TRACED, *STUDENT) == 2
    assert "there is no teacher" in capsys.readouterr().err
    assert not server.bodies


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--method", "dirct", *STUDENT), "did you mean `direct`?"),
        (("--student", "nowhere/model"), "there is no provider `nowhere`"),
        ((), "--student"),
        ((*DIRECT, *STUDENT, "--temperature", "-1"), "`--temperature` cannot be `-1`"),
        ((*DIRECT, *STUDENT, "--top-p", "0"), "`--top-p` cannot be `0`"),
        ((*DIRECT, *STUDENT, "--samples", "two"), "two"),
        ((*DIRECT, *STUDENT, "--samples", "2"), "would all be the same"),
        ((*DIRECT, *STUDENT, "--budget", "1"), "price of `openai/student` is unknown"),
        ((*DIRECT, *STUDENT, "--budget", "-1"), "`--budget` cannot be `-1`"),
        ((*DIRECT, *STUDENT, "--budget", "nan"), "`--budget` of `nan`"),
        ((*DIRECT, *STUDENT, "--timeout", "0"), "`--timeout` cannot be `0`"),
        ((*DIRECT, *STUDENT, "--timeout", "nan"), "`--timeout` of `nan`"),
        ((*DIRECT, *STUDENT, "--question", "text"), "column `text`"),
        ((*DIRECT, *STUDENT, "--nonsense"), "--nonsense"),
    ],
)
def test_what_cannot_be_right_ends_with_2_and_sends_nothing(
    options: tuple[str, ...], said: str, server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*options) == 2
    words = capsys.readouterr().err
    assert said in words and "hint:" in words
    assert not server.bodies


def test_a_budget_stops_with_3_and_a_larger_one_goes_on(
    server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sums(50)
    Path("prices.json").write_text('{"openai/student": {"input": 1000000, "output": 1000000}}')
    money = (*DIRECT, *STUDENT, "--max-tokens", "5", "--prices", "prices.json", "--concurrency", "1", "--json")
    assert run(*money, "--budget", "400") == 3
    stopped, ended = results(capsys)
    assert ended["error"]["exit"] == 3
    assert 0 < stopped["cost"] <= 400 and "budget" in stopped["stopped"] and stopped["graded"] < 50
    assert run(*money, "--budget", "10000") == 0
    (done,) = results(capsys)
    assert (done["graded"], done["cost"], len(server.bodies)) == (50, 650.0, 50)


def test_a_budget_counts_what_earlier_commands_spent_on_its_runs(
    server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sums(50)
    limit = (*DIRECT, *STUDENT, "--max-tokens", "5", "--json", "--max-tokens-total")
    assert run(*limit, "400") == 3
    sent = len(server.bodies)
    assert run(*limit, "400") == 3
    assert len(server.bodies) == sent


def test_an_estimate_sends_and_writes_nothing(server: FaultyServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*TRACED, *STUDENT, *TEACHER, "--estimate", "--json") == 0
    (found,) = results(capsys)
    assert (found["calls"], found["cached"], found["cost"]) == (12, 0, None)
    assert not server.bodies
    assert main(["runs", "--json"]) == 0 and not capsys.readouterr().out


def test_an_estimate_needs_no_key_and_says_which_the_run_will(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_sums(4)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    teacher = ("--teacher", "anthropic/claude-sonnet-4-5")
    planned = ("run", "sums.jsonl", "--method", "trace-of-thought", *STUDENT, *teacher)
    assert main([*planned, "--estimate", "--json"]) == 0
    (found,) = results(capsys)
    assert (found["calls"], found["unset"]) == (8, ["OPENAI_API_KEY", "ANTHROPIC_API_KEY"])
    assert main([*planned, "--estimate"]) == 0
    assert "needed to run it: `OPENAI_API_KEY`, `ANTHROPIC_API_KEY`" in capsys.readouterr().err
    direct = ("run", "sums.jsonl", "--method", "direct", *STUDENT, "--grader", "judge:anthropic/judge", "--estimate")
    assert main([*direct, "--json"]) == 0 and results(capsys)[0]["unset"] == ["OPENAI_API_KEY", "ANTHROPIC_API_KEY"]
    assert main(["sample", "sums.jsonl", "--teacher", "openai/gpt-4o", "--zero-shot", "--out", "c", "--estimate"]) == 0
    assert main(list(planned)) == 2 and "`OPENAI_API_KEY` is not set" in capsys.readouterr().err
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-a-test")
    capsys.readouterr()
    assert main([*planned, "--estimate", "--json"]) == 0 and results(capsys)[0]["unset"] == ["ANTHROPIC_API_KEY"]


def test_an_estimate_says_how_far_the_budget_goes_and_what_it_rests_on(
    server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    estimate = (*DIRECT, *STUDENT, "--concurrency", "2", "--max-tokens-total", "900", "--estimate")
    assert run(*estimate, "--json") == 0
    (found,) = results(capsys)
    assert 0 < found["within_budget"] < 1 and found["width"] == 2
    assert found["seconds_low"] < found["seconds"] < found["seconds_high"]
    assert run(*estimate) == 0
    page = capsys.readouterr().out
    assert "in budget" in page and "What it rests on" in page and "speed of `openai/student` as student" in page


def test_ctrl_c_finishes_what_was_begun_and_the_same_command_goes_on(
    server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sums(200)

    def interrupting(body: Body) -> str:
        if len(server.bodies) == 5:
            os.kill(os.getpid(), signal.SIGINT)
        return speak(body)

    server.speak = interrupting
    assert run(*DIRECT, *STUDENT, "--concurrency", "2", "--json") == 130
    stopped, ended = results(capsys)
    assert ended["error"]["exit"] == 130
    assert 5 <= stopped["graded"] == len(server.bodies) < 200
    assert run(*DIRECT, *STUDENT) == 0
    assert len(server.bodies) == 200


def test_a_second_signal_stops_at_once_and_keeps_what_was_answered(
    server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sums(200)

    def insisting(body: Body) -> str:
        if len(server.bodies) in (5, 6):
            os.kill(os.getpid(), signal.SIGTERM if len(server.bodies) == 5 else signal.SIGINT)
        return speak(body)

    server.speak = insisting
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    assert run(*DIRECT, *STUDENT, "--concurrency", "1") == 130
    assert "interrupted" in capsys.readouterr().err
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers
    with sqlite3.connect("stepdown.sqlite") as store:
        kept = store.execute("select count(*) from calls").fetchone()[0]
    store.close()
    assert 4 <= kept <= len(server.bodies)


def test_without_a_terminal_progress_is_plain_lines_on_stderr(
    server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    run(*DIRECT, *STUDENT)
    said = capsys.readouterr()
    assert "1/1 direct · openai/student: 6/6 · right 6/6" in said.err
    assert "\x1b" not in said.err + said.out
    assert "right/graded/total" in said.out


def test_the_demo_runs_all_methods_and_a_second_one_makes_no_call(
    server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.speak = lambda body: PLAN if body["model"] == "teacher" else "Answer: 4"
    demo = ("demo", "-n", "3", *STUDENT, *TEACHER)
    assert main(demo) == 0
    first = capsys.readouterr().out
    assert "15 calls in" in first and first.index("plan (openai/teacher)") < first.index("4 runs on wordsums/test")
    assert "\n0 calls were" not in first and "; 0 calls were answered by the store" in first
    assert main(demo) == 0
    assert "\n0 calls in" in capsys.readouterr().out
