"""`train` and `study`: from a corpus to students and a table, with what stands in a study's file."""

import json
import shutil
import subprocess
import sys
from contextvars import Context
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from command_line import write_sums
from corpora import write_corpus
from small_students import TRAINS, small_model, small_tokenizer
from stepdown.cli import app, main
from stepdown.cli.verbs.train import TrainingOptions
from stepdown.corpus import Card
from stepdown.models.weights.students import read_card
from stepdown.training import Training
from stepdown.training.objectives import load_objective
from stepdown.types import Chain, Grade, Problem

pytestmark = [pytest.mark.slow, *TRAINS]
QUICK = (
    "--base",
    "base",
    "--steps",
    "2",
    "--batch",
    "4",
    "--evaluations",
    "1",
    "--dev-count",
    "2",
    "--checkpoints",
    "1",
)
STUDY = {"corpus": "chains", "base": "base", "test": "sums.jsonl", "out": "st", "chains": [1], "seeds": 1, "steps": 2}
FILE = STUDY | {"batch": 4, "evaluations": 0, "max_tokens": 8, "targets": ["chain", "label"], "keep": "right"}
# What is tested is what is trained on: these tests are of the study, not of what its students learn.
FILE |= {"allow": "test"}


def write_texts(out: Path, text: str, card: Card) -> None:
    problems = (Problem(f"sums/train/{n}", f"What is {n} plus one?", str(n + 1)) for n in range(8))
    grades = ((one, Grade("right", None if card.content == "plan" else one.answer)) for one in problems)
    write_corpus(
        out, (Chain(one, text.format(n), "teacher", 0, grade) for n, (one, grade) in enumerate(grades)), card=card
    )


def write_study(file: str, **values: Any) -> None:
    Path(file).write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items()))


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a base, a corpus of chains, one of plans, and a student of the chains."""
    folder = tmp_path_factory.mktemp("work")
    small_model().save_pretrained(folder / "base")
    small_tokenizer().save_pretrained(folder / "base")
    write_texts(folder / "chains", "Take {0} and add one.", Card(dataset="sums/train"))
    write_texts(folder / "plans", "1. Take the number.", Card(dataset="sums/train", content="plan"))
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        assert main(["train", "chains", *QUICK, "--out", "student"]) == 0
    return folder


@pytest.fixture(autouse=True)
def working(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(here)
    monkeypatch.setenv("STEPDOWN_STORE", str(here / "stepdown.sqlite"))
    monkeypatch.setenv("STEPDOWN_CACHE", str(here / "cache"))
    monkeypatch.setenv("STEPDOWN_ENGINE", "transformers")
    write_sums(3)


def test_the_same_training_again_leaves_the_student_and_says_how_to_ask_it(capsys: pytest.CaptureFixture[str]) -> None:
    before = Path("student/model.safetensors").stat().st_mtime_ns
    assert main(["train", "chains", *QUICK, "--out", "student", "--json"]) == 0
    shown = capsys.readouterr()
    found = json.loads(shown.out)
    assert (found["student"], found["card"]["lessons"]["target"], found["card"]["steps"]) == ("student", "chain", 2)
    assert "is there already" in shown.err and Path("student/model.safetensors").stat().st_mtime_ns == before
    assert "next: `stepdown run DATASET --method chain-of-thought --student student`" in shown.err


def test_a_student_of_other_settings_is_not_replaced_unasked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "chains", *QUICK, "--seed", "1", "--out", "student"]) == 2
    assert "--force" in capsys.readouterr().err and read_card(Path("student")) is not None


def test_a_planner_is_asked_as_a_teacher(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "plans", *QUICK, "--out", "planner"]) == 0
    shown = capsys.readouterr()
    assert "plan of 8 problems" in shown.out and "--teacher planner --student MODEL" in shown.err


def test_a_second_stage_goes_on_with_the_student_of_the_first() -> None:
    second = ("--then", "on-policy", "--teacher", "base", "--then-steps", "1", "--allow", "weak-teacher")
    assert main(["train", "chains", *QUICK, *second, "--out", "own"]) == 0
    first, card = read_card(Path("own-first")), read_card(Path("own"))
    assert first is not None and card is not None
    assert (first.training["objective"], first.steps) == ("sft", 2)
    assert (card.training["objective"], card.steps, card.base) == ("on-policy", 1, "own-first")


def test_another_student_in_the_second_stages_place_is_refused_before_the_first(
    capsys: pytest.CaptureFixture[str],
) -> None:
    second = ("--then", "on-policy", "--teacher", "base", "--allow", "weak-teacher")
    assert main(["train", "chains", *QUICK, *second, "--out", "student"]) == 2
    assert "choose another folder" in capsys.readouterr().err and not Path("student-first").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("chians",), "there is no corpus `chians`"),
        (("chains", "--target", "chian"), "did you mean `chain`"),
        (("chains", "--target", "plan"), "holds chains, not plans"),
        (("chains", "--dev", "wordsums/test"), "`--dev wordsums/dev`"),
        (("chains", "--dev", "gsm8k"), "`--dev gsm8k/train`, or leave out --dev"),
        (("chains", "--dev", "no/dev.jsonl"), "there is no file `no/dev.jsonl`"),
        (("chains", "--data", "dev.jsonl"), "--dev NAME --data FILE"),
        (("chains", "--steps", "0"), "`steps` must be above 0, not `0`"),
        (("chains", "--allow", "everything"), "one-class"),
        (("chains", "--objective", "dpo"), "`stepdown prefer RUN RUN --judge MODEL --out CORPUS`"),
        (("chains", "--beta", "0.2"), "`sft` has no beta"),
        (("chains", "--teacher", "base"), "`sft` learns from no teacher"),
        (("chains", "--then-steps", "3"), "there is no second stage"),
        (("chains", "--then", "on-policy"), "on-policy distillation needs a teacher"),
        (("chains", "--then", "on-policy", "--objective", "dpo"), "`--then` comes after `sft`, not `dpo`"),
        (("chains", "--then", "on-policy", "--teacher", "nobody/x/y"), "there is no base at `nobody/x/y`"),
        (("chains", "--then", "on-policy", "--teacher", "base", "--then-steps", "0"), "`steps` must be above 0"),
        (("chains", "--then", "on-policy", "--teacher", "base", "--teacher-share", "2"), "at most 1, not `2.0`"),
    ],
)
def test_a_training_that_cannot_be_right_is_refused_at_once(
    options: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *options, "--base", "base", "--out", "other"]) == 2
    assert said in capsys.readouterr().err and not list(Path().glob("other*"))


@pytest.mark.parametrize(("objective", "beta"), [("dpo", 0.1), ("dpo-norm", 5.0)])
def test_the_usual_beta_is_the_objective_s_own(objective: Literal["dpo", "dpo-norm"], beta: float) -> None:
    found = Context().run(TrainingOptions(objective=objective).training, "chain")  # where no option was typed
    for training in (found, Training(objective=objective)):
        assert getattr(load_objective(training), "beta") == beta  # noqa: B009
    assert Context().run(TrainingOptions(objective=objective, beta=2.0).training, "chain").beta == 2.0


def test_a_missing_option_is_named_with_the_help_of_its_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "chains", "--base", "base"]) == 2
    shown = capsys.readouterr().err
    assert "`stepdown train` needs `--out`" in shown and "`stepdown train --help`" in shown


def test_the_verbs_of_distillation_load_no_heavy_library_until_they_work() -> None:
    verbs = ", ".join(
        f"stepdown.cli.verbs.{verb}" for verb in ("sample", "keep", "train", "study", "exports", "imports")
    )
    heavy = "('torch', 'transformers', 'polars', 'datasets', 'numpy', 'altair')"
    code = f"import sys, {verbs}; print([one for one in {heavy} if one in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_the_public_names_of_distillation_load_no_heavy_library() -> None:
    names = "stepdown.sample, stepdown.open_corpus, stepdown.Training, stepdown.train, stepdown.import_corpus"
    heavy = "('torch', 'transformers', 'polars', 'datasets', 'numpy', 'altair')"
    code = f"import sys, stepdown; {names}; print([one for one in {heavy} if one in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_a_missing_extra_is_named_with_the_command_that_installs_it() -> None:
    train = ["train", "chains", "--base", "base", "--out", "other"]
    code = f"import sys; sys.modules['accelerate'] = None; from stepdown.cli import main; sys.exit(main({train}))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.returncode == 2 and "pip install 'stepdown[train]'" in found.stderr


def test_a_study_trains_and_tests_its_grid_and_does_nothing_twice(capsys: pytest.CaptureFixture[str]) -> None:
    write_study("study.toml", **FILE)
    assert main(["study", "study.toml", "--json"]) in (0, 1)
    first = json.loads(capsys.readouterr().out)
    assert [(one["name"], len(one["runs"]), one["total"]) for one in first["scores"]] == [
        ("chain-n1-random", 1, 3),
        ("label-n1-random", 1, 3),
    ]
    assert [(one["met"], one["without"]) for one in first["scores"]] == [
        (one["graded"], None) for one in first["scores"]
    ]
    assert json.loads(Path("st/study.json").read_text()) == first and Path("st/study.md").exists()
    assert main(["study", "study.toml"]) == int(any(one["graded"] < 3 for one in first["scores"]))
    again = capsys.readouterr()
    assert again.err.count("is there already") == 2 and "label-n1-random" in again.out
    card = read_card(Path("st/label-n1-random/seed-0"))
    assert card is not None and [one.total for one in card.test] == [3]


def scores(out: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(Path(out, "study.json").read_text())["scores"]
    return [{name: value for name, value in one.items() if name != "runs"} for one in found]


def test_a_study_of_four_students_on_two_workers_is_the_serial_one() -> None:
    write_study("study.toml", **FILE)
    assert main(["study", "study.toml", "--out", "serial", "--seeds", "2"]) in (0, 1)
    assert main(["study", "study.toml", "--out", "two", "--seeds", "2", "--jobs", "2"]) in (0, 1)
    weights = sorted(path.relative_to("serial") for path in Path("serial").rglob("model.safetensors"))
    assert len(weights) == 4
    assert all(Path("serial", one).read_bytes() == Path("two", one).read_bytes() for one in weights)
    assert scores("two") == scores("serial")


COUNTING = """
import sys
from stepdown.cli import app, main
code = main(["study", "study.toml", "--out", "counted", "--seeds", "2", "--targets", "shuffled"])
print(code, sorted({"torch", "transformers", "openvino"} & set(sys.modules)), file=sys.stderr)
"""


def test_a_finished_study_prints_its_table_and_loads_no_weights(capsys: pytest.CaptureFixture[str]) -> None:
    write_study("study.toml", **FILE)
    options = ["--out", "counted", "--seeds", "2", "--targets", "shuffled"]
    assert main(["study", "study.toml", *options]) in (0, 1)
    first, before = capsys.readouterr().out, Path("counted/study.json").read_bytes()
    again = subprocess.run([sys.executable, "-c", COUNTING], capture_output=True, text=True)
    assert again.stdout == first and again.stderr.splitlines()[-1].endswith(" []")
    assert Path("counted/study.json").read_bytes() == before
    cards = [read_card(Path(f"counted/shuffled-n1-random/seed-{seed}")) for seed in (0, 1)]
    notes = [card.notes[-1] for card in cards if card]
    assert notes == [f"the sentences of each chain are shuffled by seed {seed}" for seed in (0, 1)]


def without_weights(folder: Path) -> bool:
    return (folder / "adapter").is_dir() and not list(folder.glob("model.*"))


def test_a_study_of_adapters_keeps_no_weights_and_makes_the_same_ones_where_a_new_test_needs_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_study("study.toml", **FILE | {"targets": ["chain"]})
    student = Path("lean/chain-n1-random/seed-0")
    whole, lean = ["study", "study.toml", "--out", "whole"], ["study", "study.toml", "--out", "lean", "--adapters-only"]
    assert main(whole) in (0, 1) and main(lean) in (0, 1)
    assert scores("whole") == scores("lean") and without_weights(student)
    capsys.readouterr()
    assert main(lean) in (0, 1) and "together again" not in capsys.readouterr().err
    for _ in range(2):
        assert main([*lean, "--max-tokens", "9"]) in (0, 1) and without_weights(student)
    assert capsys.readouterr().err.count("putting its weights together again") == 1
    assert main(["export", str(student), "--to", "student", "--out", "again"]) == 0
    for name in ("model.safetensors", "model.gguf"):
        assert Path("again", name).read_bytes() == Path("whole/chain-n1-random/seed-0", name).read_bytes()


def test_a_study_whose_students_will_not_fit_the_disk_says_so_with_a_way_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_study("study.toml", **FILE | {"targets": ["chain"]})
    usage = shutil.disk_usage(".")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1_000))
    assert main(["study", "study.toml", "--out", "full", "--seeds", "3"]) in (0, 1)
    lines = [line for line in capsys.readouterr().err.splitlines() if "GB are free" in line]
    assert len(lines) == 1 and lines[0].startswith("the 2 students that are left") and "--adapters-only" in lines[0]
    assert main(["study", "study.toml", "--out", "small", "--seeds", "2", "--adapters-only"]) in (0, 1)
    assert "GB are free" not in capsys.readouterr().err, "one at a time fits"


def test_a_student_without_its_weights_is_refused_with_the_way_to_have_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_study("study.toml", **FILE | {"targets": ["chain"]})
    assert main(["study", "study.toml", "--out", "left", "--adapters-only"]) in (0, 1)
    student = "left/chain-n1-random/seed-0"
    for command in (
        ["run", "sums.jsonl", "--student", student],
        ["export", student, "--to", "gguf", "--out", "x.gguf"],
        ["train", "chains", "--base", student, "--out", "next"],
    ):
        assert main(command) == 2
        assert f"stepdown export {student} --to student --out OTHER" in capsys.readouterr().err
    assert main(["show", student]) == 0
    shown = capsys.readouterr().out
    assert f"stepdown export {student} --to student" in shown and "stepdown run" not in shown


def test_a_study_that_trains_all_weights_has_no_adapters_to_keep(capsys: pytest.CaptureFixture[str]) -> None:
    write_study("study.toml", **FILE)
    assert main(["study", "study.toml", "--full", "--adapters-only"]) == 2
    assert "no adapter to keep" in capsys.readouterr().err


def bound(*tokens: str) -> dict[str, Any]:
    """Return the options of a study by name, as the command is given them."""
    _, found, _ = app.parse_args(["study", *tokens], exit_on_error=False, print_error=False)
    options = (one for one in found.arguments.values() if is_dataclass(one))
    return {"source": found.args[0]} | {name: value for one in options for name, value in vars(one).items()}


def test_a_file_of_a_study_gives_its_corpus_and_options() -> None:
    write_study("words.toml", corpus="c", keep=["right", "-x"], max_tokens=9, before=True, full=False)
    found = bound("words.toml")
    assert (found["source"], found["keep"], found["max_tokens"]) == (Path("c"), ("right", "-x"), 9)
    assert found["before"] and not found["full"]


def test_options_beside_the_file_of_a_study_go_before_its_own() -> None:
    write_study("mine.toml", corpus="c", limit=9, seeds=3, chains=[1, 5])
    found = bound("-n", "2", "mine.toml", "--chains", "30")
    assert (found["limit"], found["seeds"], found["chains"]) == (2, 3, (30,))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"steeps": 3}, "did you mean `steps`"),
        ({"corpus": "bad.toml"}, "is another study"),
        ({"corpus": "plans"}, "holds plans"),
        ({"samples": 5}, "several samples need --temperature"),
        ({"by": "likley"}, "random, diverse, likely"),
        ({"test": "nothing"}, "there is no data set `nothing`"),
        ({"base": "someone/something", "before": True}, "give the folder's path"),
        ({"test": ""}, "a study needs --test"),
        ({"allow": []}, "3 problems of `sums` ask what the corpus asks"),
    ],
)
def test_a_study_that_cannot_be_right_is_refused_before_a_student_is_trained(
    values: dict[str, Any], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_study("bad.toml", **{**FILE, "out": "bad", **values})
    assert main(["study", "bad.toml"]) == 2
    assert said in capsys.readouterr().err.replace("Did", "did") and not Path("bad").exists()


def test_a_study_under_a_launcher_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(["study", "chains", "--base", "base", "--test", "sums.jsonl", "--out", "st"]) == 2
    assert "a launcher started `2`" in capsys.readouterr().err


def test_a_study_without_a_corpus_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    write_study("none.toml", base="base")
    assert main(["study", "none.toml"]) == 2 and "names no `corpus`" in capsys.readouterr().err
