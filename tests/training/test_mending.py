"""A teacher mends a student's wrong attempts, and the corpus says what the student wrote and who went on from where."""

import json
from pathlib import Path

import pytest

import stepdown as sd
from stepdown.cli import main
from stepdown.corpus import open_corpus, read_lineages
from stepdown.errors import UsageError
from stepdown.methods.mending import LONGEST, MOST_LINES, WrongAttempt, mended
from stepdown.models import ScriptedModel
from stepdown.problems import Problems
from stepdown.store import Run, Store
from stepdown.training import mend
from stepdown.types import Chain, Problem, Reply, Usage

BOXES = [
    Problem(f"boxes/train/{n}", f"Ann has {n} boxes of 5 pears and eats 2. Pears?", str(5 * n - 2)) for n in (3, 4)
]
WRONG = "There are {n} boxes.\n{n} * 5 = 11.\n\n11 - 2 = 9.\nAnswer: 9"


def attempted(store: Store, dataset: str = "boxes/train") -> Run:
    problems = Problems(dataset, lambda: ((None, one) for one in BOXES))
    student = ScriptedModel({"has 3": WRONG.format(n=3), "has 4": "Answer: 18"}, "student")
    return sd.run(problems, "direct", student=student, store=store)


def mender(reply: str = "Line: 2\n3 * 5 = 15.\n15 - 2 = 13.\nAnswer: 13") -> ScriptedModel:
    return ScriptedModel(lambda *_: reply, "teacher", version="1")


def test_a_wrong_attempt_is_taken_over_from_its_first_wrong_line(store: Store, tmp_path: Path) -> None:
    teacher = mender()
    [chain] = mend(attempted(store), teacher=teacher, out=tmp_path / "mended")
    assert chain.text == "There are 3 boxes.\n3 * 5 = 15.\n15 - 2 = 13.\nAnswer: 13"
    assert (chain.grade.verdict, chain.teacher, chain.problem) == ("right", "teacher", BOXES[0])
    asked = teacher.calls[0].messages[-1].content
    assert "2. 3 * 5 = 11.\n3. 11 - 2 = 9." in asked and "13" not in asked, "the gold is not shown"


def test_a_chain_of_two_hands_says_nothing_of_its_tokens_where_one_of_a_single_reply_does(
    store: Store, tmp_path: Path
) -> None:
    run, corpora = attempted(store), list[Chain]()
    for reply in ("Line: 2\n3 * 5 = 15.\n15 - 2 = 13.\nAnswer: 13", "3 * 5 - 2 = 13.\nAnswer: 13"):
        counted = Reply(reply, "teacher", Usage(9, 12), logprob=-0.5)
        corpora += mend(
            run, teacher=ScriptedModel(lambda *_, one=counted: one, reply), out=tmp_path / "mended", force=True
        )
    chain, whole = corpora
    assert (whole.tokens, whole.logprob) == (12, -0.5)
    assert chain.tokens is None is chain.logprob, "the teacher's reply is a part of the chain"


def test_the_corpus_keeps_the_attempt_and_where_it_was_taken_over(store: Store, tmp_path: Path) -> None:
    run = attempted(store)
    mend(run, teacher=mender(), out=tmp_path / "mended")
    kept = open_corpus(tmp_path / "mended").keep("right").write(tmp_path / "kept")
    for folder in (tmp_path / "mended", kept.path):
        [lineage] = read_lineages(folder).values()
        assert (lineage.run, lineage.student, lineage.attempt) == (run.id, "student", WRONG.format(n=3))
        assert lineage.attempt[: lineage.kept] == "There are 3 boxes.\n"
    assert "lineages.jsonl" in kept.card.notes[0] and run.id in kept.card.notes[0]


@pytest.mark.parametrize(
    ("reply", "kept", "rest"),
    [("Line: 2\nb", "a\n", "b"), ("**First wrong line: 3**\nc", "a\nx\n\n", "c"), ("line 1: bad\nb", "", "b"),
     ("It is b.", "", "It is b."), ("Line: 99\nb", "", "b"), ("Line: 0\nb", "", "b"),
     ("Line: 2\nSolution: b", "a\n", "b"), ("Line: 2\n\n**Corrected solution:**\nb", "a\n", "b"),
     ("Line: 2\nThe solution is b: 3.", "a\n", "The solution is b: 3."), ("Line: 2\nSolution:", "a\n", ""),
     ("", "", ""), ("Line: 2", "a\n", "")],
)  # fmt: skip
def test_a_teacher_names_the_line_in_its_own_way(reply: str, kept: str, rest: str) -> None:
    assert mended(WrongAttempt(BOXES[0], "a\nx\n\ny", "s"), reply) == (kept, rest)


def test_an_attempt_that_runs_on_is_shown_in_part() -> None:
    numbered = WrongAttempt(BOXES[0], "x" * 400_000 + "\n" + "y\n" * 999, "s").numbered
    assert len(numbered) <= LONGEST + 4 * MOST_LINES and len(WrongAttempt(BOXES[0], "y\n" * 999, "s").numbered) < 999


def test_more_corrections_ask_only_for_the_missing_ones(store: Store, tmp_path: Path) -> None:
    teacher, run = mender(), attempted(store)
    mend(run, teacher=teacher, out=tmp_path / "one")
    assert mend(run, teacher=teacher, out=tmp_path / "three", chains=3).card.chains == 3 == len(teacher.calls)


def test_test_problems_and_runs_without_mistakes_are_refused_before_the_teacher_is_asked(
    store: Store, tmp_path: Path
) -> None:
    teacher = mender()
    with pytest.raises(UsageError, match="there to test on"):
        mend(attempted(store, "gsm8k/test"), teacher=teacher, out=tmp_path / "mended")
    right = sd.run(BOXES[1:], "direct", student=ScriptedModel(["Answer: 18"]), store=store)
    with pytest.raises(UsageError, match="no wrong attempt"):
        mend(right, teacher=teacher, out=tmp_path / "mended")
    assert not teacher.calls and not (tmp_path / "mended").exists()


@pytest.mark.parametrize(
    ("arguments", "what"),
    [(["gsm8k"], "those of the run"), (["--split", "train"], "--split"), (["--zero-shot"], "--zero-shot"),
     (["--teacher", "gold"], "mends nothing"), (["--estimate"], "")],
)  # fmt: skip
def test_the_command_refuses_what_means_nothing_and_estimates(
    arguments: list[str], what: str, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = attempted(store)
    teacher = [] if "--teacher" in arguments else ["--teacher", "ollama/teacher"]
    place = ["--out", str(tmp_path / "mended"), "--store", str(store.path), "--json"]
    code = main(["sample", *arguments, "--mending", run.id, *teacher, *place])
    out, err = capsys.readouterr()
    assert (code == 0) == (not what) and what in err
    assert what or json.loads(out)["calls"] == 1
