"""A task file of lm-evaluation-harness is a run's problems, its method and its grader."""

import asyncio
from pathlib import Path

import pytest

import stepdown as sd
from harness_task import TASK, write_task
from stepdown.cli import main
from stepdown.errors import UnknownName, UsageError
from stepdown.exchange import load_task, part_of_task

QUESTION = "Question: What is 10 plus 1?\nAnswer:"


def test_a_problem_has_the_question_as_a_file_of_one_s_own_and_the_target_as_gold(tmp_path: Path) -> None:
    first = next(iter(load_task(write_task(tmp_path)).problems))
    assert (first.id, first.question, first.answer, first.kind) == ("sums/0", "What is 10 plus 1?", "11", "number")


def test_demonstrations_come_from_their_split_and_differ_from_problem_to_problem(tmp_path: Path) -> None:
    task = load_task(write_task(tmp_path))
    prompts = [task.prompt(problem) for problem in task.problems]
    assert len({*prompts}) == 6 and all(one.startswith("Add.\n\nQuestion: What is 10") for one in prompts)
    assert prompts[0].endswith("\n\n" + QUESTION) and prompts[0].count("####") == 2
    assert [task.prompt(problem) for problem in reversed([*task.problems])] == prompts[::-1]


def test_a_sample_that_is_listed_is_shown_with_its_own_words(tmp_path: Path) -> None:
    shots = (
        'fewshot_config: {sampler: first_n, samples: [{q: "1?", a: "one"}, {q: "2?", a: "two"}], doc_to_text: "{{q}}", '
    )
    more = shots + 'doc_to_target: "{{a}}", target_delimiter: " = ", fewshot_delimiter: ";"}\nfewshot_split: null\n'
    task = load_task(write_task(tmp_path, more=more))
    assert task.prompt(next(iter(task.problems))) == f"Add.\n\n1? = one;2? = two;{QUESTION}"


def test_of_one_split_no_problem_is_shown_before_itself(tmp_path: Path) -> None:
    task = load_task(write_task(tmp_path, TASK.replace("fewshot_split: train", "fewshot_split: test")))
    assert all(task.prompt(problem).count(problem.question) == 1 for problem in task.problems)


def test_the_first_of_another_split_are_shown_where_there_are_just_so_many(tmp_path: Path) -> None:
    text = TASK.replace("test_split", "validation_split").replace("fewshot_split: train\n", "")
    text = text.replace("num_fewshot: 2", "num_fewshot: 6")
    task = load_task(write_task(tmp_path, text, more="fewshot_config: {sampler: first_n}\n"))
    assert [task.prompt(problem).count("####") for problem in task.problems] == [6] * 6
    with pytest.raises(UsageError, match="6 demonstrations of 6"):
        assert load_task(write_task(tmp_path, text)).method


@pytest.mark.parametrize("sampler", ["default", "first_n"])
def test_a_document_that_stands_twice_leaves_one_less_to_be_shown(sampler: str, tmp_path: Path) -> None:
    text = TASK.replace("fewshot_split: train", f"fewshot_split: test\nfewshot_config: {{sampler: {sampler}}}")
    write_task(tmp_path)
    lines = (tmp_path / "test.jsonl").read_text().splitlines(keepends=True)
    for shown in (4, 5):
        path = write_task(tmp_path, text.replace("num_fewshot: 2", f"num_fewshot: {shown}"))
        (tmp_path / "test.jsonl").write_text("".join([*lines[:5], lines[4]]))
        task = load_task(path)
        if shown == 4:
            assert task.method and {task.prompt(one).count("####") for one in task.problems} == {4}
    with pytest.raises(UsageError, match="5 demonstrations of 4"):
        assert task.method


async def graded(path: Path, filter_name: str, said: str) -> tuple[str, str | None]:
    task = load_task(path)
    grade = await task.grader(filter_name)(next(iter(task.problems)), said)
    return grade.verdict, grade.found


@pytest.mark.parametrize(
    ("filter_name", "said", "expected"),
    [
        ("", "10+1=11\n#### 11", ("right", "11")),
        ("strict-match", "It is 11.", ("wrong", "[invalid]")),
        ("flexible-extract", "First 10, and so 11", ("right", "11")),
        ("flexible-extract", "It is 11.", ("wrong", "11.")),
        ("flexible-extract", "", ("wrong", "[invalid]")),
    ],
)
def test_a_reply_is_graded_as_the_harness_grades(
    filter_name: str, said: str, expected: tuple[str, str], tmp_path: Path
) -> None:
    assert asyncio.run(graded(write_task(tmp_path), filter_name, said)) == expected


def test_a_filter_that_is_not_there_or_is_code_is_refused_when_it_is_chosen(tmp_path: Path) -> None:
    more = "filter_list: [{name: plain}, {name: own, filter: [{function: regex, regex_pattern: !function utils.p}]}]"
    task = load_task(write_task(tmp_path, more=more))
    assert task.grader().name.startswith("lm-eval/exact_match/plain@")
    with pytest.raises(UsageError, match=r"`own` has the step `!function utils\.p`"):
        task.grader("own")
    with pytest.raises(UnknownName, match="plain"):
        task.grader("plane")


WARM = sd.Sampling(temperature=0.7, stop=("Question:",))
VOTE = "repeats: 3\ngeneration_kwargs: {temperature: 0.7, top_p: 0.9}\nfilter_list: [{name: maj, filter: [{function: \
regex, regex_pattern: '[0-9]+'}, {function: majority_vote}, {function: take_first}]}]\n"


def test_a_filter_that_votes_grades_all_samples_of_a_problem_as_one(tmp_path: Path) -> None:
    path = str(write_task(tmp_path, more=VOTE))
    assert {"samples": 3, "top_p": 0.9}.items() <= load_task(path).options.items()
    said = ["12 no", "11 it is", "11 so", "12", "11", "011"]
    with sd.Store(tmp_path / "s.sqlite") as store:
        student = sd.ScriptedModel(said, width=1)
        run = sd.run(path, path, student=student, grader=path, store=store, limit=2, samples=3, sampling=WARM)
        first = [(grade.verdict, grade.found) for _, grade in run.graded()]
        assert first == [("right", "11")] * 3 + [("right", "12")] * 3
        sd.grade(run, "default")
        sd.grade(run, path)
        assert [(grade.verdict, grade.found) for _, grade in run.graded()] == first


def test_graders_of_one_name_that_do_different_things_have_different_names(tmp_path: Path) -> None:
    first = load_task(write_task(tmp_path)).grader().name
    other = load_task(write_task(tmp_path, TASK.replace("ignore_case: true", "ignore_case: false"))).grader().name
    assert first != other and first.startswith("lm-eval/exact_match/strict-match@")


def test_a_run_asks_as_the_harness_asks_and_pairs_with_other_methods(tmp_path: Path) -> None:
    path = str(write_task(tmp_path))
    with sd.Store(tmp_path / "s.sqlite") as store:
        student = sd.ScriptedModel(["#### 11"] * 12)
        run = sd.run(path, path, student=student, grader=path, store=store, limit=2)
        plain = sd.run(path, "direct", student=student, store=store, limit=2)
        trace = run.trace("sums/1")
        assert trace.calls[0].messages == (sd.Message("user", load_task(path).prompt(trace.problem)),)
        assert [grade.verdict for _, grade in run.graded()] == ["right", "wrong"]
        assert sd.report(run, plain, baseline=plain).rows[1].difference == 0.0


def test_the_command_takes_a_task_file_as_its_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(write_task(tmp_path))
    replies = tmp_path / "replies.py"
    replies.write_text('import stepdown as sd\nStudent = sd.ScriptedModel(["#### 11", "It is 12"] * 9)\n')
    command = ["run", path, "--student", f"{replies}:Student", "--limit", "2", "--store", str(tmp_path / "s.sqlite")]
    assert main(command) == 0
    with sd.Store(tmp_path / "s.sqlite") as store:
        (run,) = store.runs()
        sampling = run.settings.sampling
        assert (run.settings.dataset, run.settings.method, run.summary().right) == ("sums", "sums", 1)
        assert (sampling.max_tokens, sampling.stop, sampling.temperature) == (64, ("Question:", "\n\n"), 0.0)
    assert main([*command, "--grader", f"{path}:flexible-extract", "--method", "direct"]) == 0
    assert main([*command, "--split", "train"]) == 2 and "--split" in capsys.readouterr().err


def test_a_task_is_the_run_and_the_grader_that_it_was_before_more_keys_were_read(tmp_path: Path) -> None:
    task = load_task(write_task(tmp_path))
    assert (task.method.version, task.grader().name) == ("bbb37a95", "lm-eval/exact_match/strict-match@fc08ed6f")


def test_other_demonstrations_are_another_run(tmp_path: Path) -> None:
    first = load_task(write_task(tmp_path)).method.version
    (tmp_path / "train.jsonl").write_text((tmp_path / "train.jsonl").read_text().replace("100", "99"))
    assert load_task(tmp_path / "sums.yaml").method.version != first


@pytest.mark.parametrize("changed", ["sums.yaml", "more.yaml", "test.jsonl", "train.jsonl"])
def test_a_task_is_read_once_until_a_file_of_it_changes(changed: str, tmp_path: Path) -> None:
    write_task(tmp_path)
    path = tmp_path / "more.yaml"
    path.write_text("include: sums.yaml\n")

    def now() -> list[object]:
        parts = [part_of_task(kind, str(path), "") for kind in ("methods", "problems")]
        values = [part.value for part in parts if part]
        return [values[0], values[0].version, next(iter(values[1]())).question]

    before, file = now(), tmp_path / changed
    assert now() == before and now()[0] is before[0]
    file.write_text(file.read_text().replace("plus 1", "plus one") + "description: Sum.\n" * (file.suffix == ".yaml"))
    assert now()[1:] != before[1:]
