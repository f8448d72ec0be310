"""The verbs that read a store: what they show, keep and write."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from command_line import PLAN, Solved, solved_once, speak, stored_runs
from faulty_server import Body, FaultyServer
from real_data import TRACES, whole
from stepdown.cli import main

TRACE = {
    "run", "problem", "sample", "question", "gold", "found", "verdict", "grader", "error", "truncated", "plan",
    "solution", "tokens", "cost", "alignment",
}  # fmt: skip


def erring(body: Body) -> str:
    """As `speak`, but wrong about 1, and with an escape sequence that would clear the screen."""
    said = speak(body)
    return "\x1b[2J\x1b]0;title\x07Answer: 99" if said == "Answer: 2" else said


RUN = (
    *("run", "sums.jsonl", "--method", "direct", "--method", "trace-of-thought"),
    *("--student", "openai/student", "--teacher", "openai/teacher"),
)


class World:
    """A store with one run of each method, and what a command prints on it."""

    def __init__(self, server: FaultyServer, capsys: pytest.CaptureFixture[str]) -> None:
        self.server, self.capsys = server, capsys
        self.direct, self.traced = stored_runs()

    def text(self, *tokens: str, code: int = 0) -> str:
        assert main(tokens) == code
        return self.capsys.readouterr().out

    def json(self, *tokens: str, code: int = 0) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text(*tokens, "--json", code=code).splitlines()]

    def fails(self, *tokens: str) -> str:
        assert main(tokens) == 2
        return self.capsys.readouterr().err


@pytest.fixture(scope="module")
def solved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Solved]:
    with solved_once(tmp_path_factory.mktemp("world"), RUN, speak=erring, count=4) as solved:
        yield solved


@pytest.fixture
def world(solved: Solved, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> World:
    return World(solved.copy_to(tmp_path, monkeypatch), capsys)


def test_traces_have_the_contracts_fields(world: World) -> None:
    found = world.json("traces", world.traced)
    assert [one.keys() for one in found] == [TRACE] * 4
    assert (found[0]["plan"], found[0]["verdict"], found[0]["gold"]) == (PLAN, "right", "1")


@pytest.mark.parametrize(("where", "count"), [("right", 3), ("wrong", 1), ("ungraded", 0), ("edited", 0)])
def test_traces_are_chosen_by_what_became_of_them(where: str, count: int, world: World) -> None:
    assert len(world.json("traces", world.traced, "--where", where)) == count


def test_traces_are_searched_by_what_is_in_them(world: World) -> None:
    every = world.json("traces", world.traced)
    found = world.json("traces", world.traced, "--steps", "1-", "--text", "ANSWER", "--where", "right", "--cut", "no")
    assert 0 < len(found) == len([one for one in every if one["verdict"] == "right"])
    assert world.json("traces", world.traced, "--answer", "none of these") == []
    assert "`many` is no number of tokens" in world.fails("traces", world.direct, "--tokens", "many")


def test_traces_of_one_problem_and_at_most_so_many(world: World) -> None:
    assert [one["problem"] for one in world.json("traces", world.direct, "--problem", "sums/2")] == ["sums/2"]
    assert len(world.json("traces", world.direct, "-n", "2")) == 2
    assert "there is no trace of problem `sums/9`" in world.fails("traces", world.direct, "--problem", "sums/9")


@pytest.mark.parametrize("verb", ["traces", "plans", "grade"])
def test_at_most_none_is_no_limit(verb: str, world: World) -> None:
    assert "Must be >= 1" in world.fails(verb, world.traced, "-n", "-1")


def test_a_trace_says_once_why_it_is_graded_so(world: World) -> None:
    shown = world.text("traces", world.direct, "--where", "wrong")
    assert shown.count("99") == 2 and "gold 2 · found `99`, the gold is `2` (default@2)" in shown


def test_what_a_model_wrote_cannot_steer_the_terminal(world: World) -> None:
    shown = world.text("traces", world.direct, "--where", "wrong")
    assert "Answer: 99" in shown and "\x1b" not in shown and "title" not in shown
    raw = world.text("traces", world.direct, "--where", "wrong", "--json")
    assert "\x1b" not in raw and json.loads(raw)["solution"].startswith("\x1b[2J")


def test_a_trace_says_what_became_of_its_steps_where_that_is_asked(world: World) -> None:
    assert [one["alignment"] for one in world.json("traces", world.traced)] == [None] * 4
    for one in world.json("traces", world.traced, "--aligned"):
        parts, ends = one["alignment"]["parts"], [len(one["solution"])]
        assert [step["step"]["number"] for step in one["alignment"]["steps"]] == [1, 2]
        assert {step["status"] for step in one["alignment"]["steps"]} <= {"done", "changed", "repeated", "skipped"}
        assert [part["end"] for part in parts][-1:] == ends
    assert "  1. " in world.text("traces", world.traced, "--aligned") and world.text(
        "traces", world.direct, "--aligned"
    )


def test_a_run_is_known_by_the_beginning_of_its_id(world: World) -> None:
    assert world.json("traces", world.direct[:6])[0]["run"] == world.direct
    assert "there is no run `zz`" in world.fails("traces", "zz")


def test_runs_are_listed_oldest_first(world: World) -> None:
    found = world.json("runs")
    assert [one["run"] for one in found] == [world.direct, world.traced]
    assert (found[0]["right"], found[0]["graded"], found[0]["total"]) == (3, 4, 4)
    assert world.direct in world.text("runs")


def test_a_report_compares_runs_and_says_it_in_four_forms(world: World) -> None:
    (found,) = world.json("report", "--baseline", world.direct)
    assert found["baseline"] == world.direct and found["version"] == 1
    assert found["rows"][0].keys() >= {"run", "accuracy", "low", "high", "p_holm", "tokens", "cost"}
    assert " 3/4 " in world.text("report", world.direct)
    assert world.text("report", "--md").count("| direct |") == 1
    world.text("report", "--html", "page.html")
    assert Path("page.html").read_text().startswith("<!")


def test_a_report_tells_how_much_hangs_on_the_grader(world: World) -> None:
    (found,) = world.json("report", world.direct, "--sensitivity")
    readings = found["sensitivities"][0]["readings"]
    assert [one["grader"].partition("@")[0] for one in readings][-2:] == ["last-number", "box-first"]
    assert {one["right"] for one in readings} == {3}
    assert "Under each grader" in world.text("report", world.direct, "--sensitivity")


def test_a_report_has_one_form(world: World) -> None:
    assert "one form" in world.fails("report", "--md", "--html", "page.html")


def test_runs_on_other_problems_are_reported_apart(world: World) -> None:
    Path("others.jsonl").write_text('{"question": "What is 40 plus one?", "answer": "41"}\n')
    world.json("run", "others.jsonl", "--student", "openai/student", "--method", "direct")
    assert [one["rows"][0]["dataset"] for one in world.json("report")] == ["others", "sums"]


def test_plans_are_listed_and_exported_as_a_file_that_run_reads(world: World) -> None:
    assert [one["plan"] for one in world.json("plans", world.traced)] == [PLAN] * 4
    assert world.json("plans", world.traced, "--export", "plans.jsonl")[0]["rows"] == 4
    assert "is there already" in world.fails("plans", world.traced, "--export", "plans.jsonl")
    sent = len(world.server.bodies)
    run = ("run", "sums.jsonl", "--student", "openai/student", "--plans", "plans.jsonl")
    assert world.json(*run)[0]["right"] == 3
    assert len(world.server.bodies) == sent
    assert "has no plans" in world.fails("plans", world.direct)


def test_plans_in_json_have_all_their_fields(world: World) -> None:
    (one, *_) = world.json("plans", world.traced)
    assert one.keys() == {"run", "problem", "question", "plan", "author", "edited_from", "why"}


def test_words_about_an_edit_need_an_edit(world: World) -> None:
    assert "add --edit PROBLEM" in world.fails("plans", world.traced, "--why", "shorter")
    assert "add --export FILE" in world.fails("plans", world.traced, "--force")


def test_an_edit_says_the_whole_command_that_solves_by_it(world: World) -> None:
    sampled = ("--temperature", "0.5", "--samples", "2", "--seed", "3")
    (one,) = world.json("run", "sums.jsonl", "--student", "openai/student", "--plans", world.traced, *sampled)
    Path("steps.txt").write_text("Add 1.\n")
    assert main(["plans", one["run"], "--edit", "sums/1", "--steps", "steps.txt"]) == 0
    command = world.capsys.readouterr().err.split("`")[1].replace("FILE", "sums.jsonl").split()
    (again,) = world.json(*command[1:])
    assert (again["total"], again["samples"], again["plans"].partition(":")[0]) == (4, 2, f"recorded/{one['run']}")
    assert world.json("runs")[-1]["run"] == again["run"] != one["run"]


def test_an_edit_says_where_the_problems_of_a_benchmark_began(world: World) -> None:
    words = ("run", "wordsums", "-n", "2", "--offset", "5", "--problems-seed", "7", "--student", "openai/student")
    world.server.speak = lambda body: PLAN
    (one,) = world.json(*words, "--plans", "gold")
    Path("steps.txt").write_text("Add 1.\n")
    main(["plans", one["run"], "--edit", "wordsums/test/seed-7/5", "--steps", "steps.txt"])
    said = world.capsys.readouterr().err
    assert "stepdown run wordsums --split test --problems-seed 7 -n 2 --offset 5 --method trace-of-thought" in said


def test_an_edited_plan_is_kept_with_who_and_why_and_solved_by(world: World) -> None:
    Path("steps.txt").write_text("Add 1.\n")
    edit = ("plans", world.traced, "--edit", "sums/1", "--steps", "steps.txt", "--author", "Ann", "--why", "shorter")
    assert "+Add 1." in world.text(*edit)
    shown = world.text("plans", world.traced, "--show", "sums/1")
    assert "edit by Ann: shorter" in shown and "-Take the number." in shown
    (again,) = world.json("run", "sums.jsonl", "--student", "openai/student", "--plans", world.traced)
    (edited,) = world.json("traces", again["run"], "--where", "edited")
    assert (again["run"] != world.traced, edited["plan"]) == (True, "1. Add 1.")


def test_a_plan_is_edited_in_the_persons_editor(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("editor.py").write_text("import sys; open(sys.argv[1], 'a').write('3. Check it.\\n')")
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", f"{sys.executable} editor.py")
    assert "+Check it." in world.text("plans", world.traced, "--edit", "sums/1", "--author", "Ann")
    monkeypatch.setenv("EDITOR", "no-such-editor")
    assert "cannot start the editor" in world.fails("plans", world.traced, "--edit", "sums/1")


def test_grading_sets_three_views_side_by_side_and_keeps_the_current_one(world: World) -> None:
    (found,) = world.json("grade", world.direct)
    assert [one["grader"].partition("@")[0] for one in found["graders"]] == ["strict", "default", "lenient"]
    assert found["grader"].startswith("default@")
    assert [(one["right"], one["graded"], one["total"]) for one in found["graders"]][1] == (3, 4, 4)


def test_a_limit_holds_for_disagreements_in_json_too(world: World) -> None:
    world.server.speak = lambda body: "So it is 2, 3, 4 and 1 in all."
    (run,) = world.json("run", "sums.jsonl", "--student", "openai/other", "--method", "direct")
    counts = [len(world.json("grade", run["run"], *limit)[0]["disagreements"]) for limit in ((), ("-n", "1"))]
    assert counts[0] > counts[1] == 1


def test_grading_by_one_grader_makes_it_the_current_one(world: World) -> None:
    sent = len(world.server.bodies)
    assert "strict@" in world.text("grade", world.direct, "--grader", "strict")
    assert world.json("runs")[0]["grader"].startswith("strict@")
    assert len(world.server.bodies) == sent


def test_a_judge_is_asked_once_and_its_judgements_are_kept(world: World) -> None:
    world.server.speak = lambda body: "RIGHT"
    sent = len(world.server.bodies)
    (first,) = world.json("grade", world.direct, "--grader", "judge:openai/judge")
    assert first["graders"][0]["right"] == 4 and len(world.server.bodies) == sent + 4
    world.json("grade", world.direct, "--grader", "judge:openai/judge")
    assert len(world.server.bodies) == sent + 4


def test_an_audit_tells_of_every_run(world: World) -> None:
    (found,) = world.json("audit", world.direct, world.traced)
    assert [one["run"] for one in found["runs"]] == [world.direct, world.traced]
    assert "blame" in world.text("audit", world.traced)
    assert "no run is given" in world.fails("audit")


def test_an_exported_run_is_imported_elsewhere(world: World) -> None:
    (out,) = world.json("export", world.traced, "--to", "jsonl", "--out", "run.jsonl")
    assert out == {"run": world.traced, "file": "run.jsonl", "rows": 4}
    (back,) = world.json("import", "run.jsonl", "--store", "other.sqlite")
    assert back.keys() == {"run", "file", "rows", "graders"} and back["rows"] == 4
    assert [one["solution"] for one in world.json("traces", back["run"], "--store", "other.sqlite")] == [
        one["solution"] for one in world.json("traces", world.traced)
    ]


@pytest.mark.whole(TRACES[0])
def test_the_authors_files_are_imported_and_their_plans_given_to_another_student(world: World) -> None:
    file = str(whole(TRACES[0]))
    (found,) = world.json("import", file)
    assert (found["file"], found["rows"]) == (file, 200)
    assert len(world.json("plans", found["run"], "-n", "5")) == 5


def test_a_store_that_is_not_there_is_not_made_by_reading(world: World) -> None:
    assert "there is no store `none.sqlite`" in world.fails("report", "--store", "none.sqlite")
    assert world.json("runs", "--store", "none.sqlite") == []
    assert not Path("none.sqlite").exists()


def test_a_question_shows_the_plan_and_then_the_solution(world: World) -> None:
    ask = ("ask", "What is 7 plus one?", "--student", "openai/student", "--teacher", "openai/teacher")
    shown = world.text(*ask)
    assert shown.index("  1. Take the number.") < shown.index("Answer: 8")
    assert world.json(*ask)[0].keys() == TRACE


def test_a_question_is_solved_by_ones_own_plan_without_a_teacher(world: World) -> None:
    Path("mine.txt").write_text("Count one on.\n")
    world.text("ask", "What is 7 plus one?", "--student", "openai/student", "--plan", "mine.txt")
    assert {body["model"] for body in world.server.bodies} == {"student"}
    assert "Count one on." in world.server.bodies[-1]["messages"][-1]["content"]


def test_models_and_doctor_show_what_endpoints_offer_and_no_key(world: World) -> None:
    listed = [one["model"] for one in world.json("models")]
    assert {"openai/small", "openai/large", "embedded/smollm2-135m"} <= set(listed)
    main(["doctor"])
    shown = world.capsys.readouterr().out
    assert "OPENAI_API_KEY is set" in shown and "sk-very-secret" not in shown


def test_doctor_tells_in_its_code_whether_the_demo_can_run(world: World) -> None:
    code = main(["doctor", "--json"])
    found = json.loads(world.capsys.readouterr().out)
    assert code == int(not found["ready"]) and found["store"]["runs"] == 2


def test_data_sets_are_listed(world: World) -> None:
    assert {"gsm8k", "wordsums"} <= {one["name"] for one in world.json("datasets")}
    assert "test 1319" in world.text("datasets")


def test_a_file_that_is_not_there_is_refused_before_a_store_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(("import", "nope.csv")) == 2
    assert "there is no file `nope.csv`" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("address", ["http://host/x.jsonl", "https://host/x.jsonl"])
def test_an_address_of_the_web_is_no_file_and_the_way_out_is_said(
    address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import", address]) == 2
    assert "an address of the web is not read" in capsys.readouterr().err
