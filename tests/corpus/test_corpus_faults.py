"""Corpora, problems and weights that are broken are told at once, by every verb, and leave nothing half-written."""

import pickle
from collections.abc import Callable
from importlib.util import find_spec
from math import nan
from pathlib import Path
from typing import Any

import msgspec
import pytest

from corpora import write_corpus
from stepdown.cli import main
from stepdown.corpus import Card
from stepdown.corpus.card import read_card, write_card
from stepdown.types import Chain, Grade, Problem

pytest.importorskip("polars")
VERBS = {
    "keep": ("keep", "bad", "all", "--out", "out"),
    "train": ("train", "bad", "--base", "smollm2-135m", "--out", "out"),
    "export": ("export", "bad", "--to", "messages", "--out", "out.jsonl"),
    "study": ("study", "bad", "--base", "smollm2-135m", "--test", "wordsums", "-n", "1", "--out", "out"),
}


@pytest.fixture(autouse=True)
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder of its own, without a store or weights from elsewhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STEPDOWN_STORE", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")


def chains(labels: str) -> list[Chain]:
    problems = [Problem(f"p/{n}", f"Which is {n}?", one, ("this", "that"), "choice") for n, one in enumerate(labels)]
    return [
        Chain(problem, f"It must be.\nAnswer: {problem.answer}", "t", sample, Grade("right", problem.answer), -0.5, 9)
        for problem in problems
        for sample in range(2)
    ]


def write(labels: str = "ABAB") -> Path:
    return write_corpus(Path("bad"), chains(labels), card=Card(dataset="p/train")).path


def rewrite(change: Callable[[Any], Any]) -> None:
    import polars

    part = write() / "part-00000.parquet"
    change(polars.read_parquet(part)).write_parquet(part)


def spoil(column: str, value: object) -> None:
    """Put a value into the fourth row of a column."""
    import polars

    row = polars.int_range(polars.len()) == 3
    rewrite(lambda rows: rows.with_columns(polars.when(row).then(polars.lit(value)).otherwise(column).alias(column)))


def empty() -> None:
    rewrite(lambda rows: rows.head(0))
    write_card(Path("bad"), msgspec.structs.replace(read_card(Path("bad")), chains=0, problems=0))


def no_part() -> None:
    (write() / "part-00000.parquet").unlink()


def truncated() -> None:
    part = write() / "part-00000.parquet"
    part.write_bytes(part.read_bytes()[:-200])


def no_gold() -> None:
    spoil("answer", "")


def no_gold_at_all() -> None:
    spoil("answer", None)


def not_a_number() -> None:
    spoil("logprob", nan)


def no_choice() -> None:
    spoil("choices", ["this", None])


BROKEN: dict[Callable[[], None], tuple[str, ...]] = {
    empty: ("`bad` is empty", "hint:"),
    no_part: ("`bad` is empty", "hint:"),
    truncated: ("part-00000.parquet` is not a whole parquet file", "hint:"),
    no_gold: ("part-00000.parquet` line 4", "column `answer`", "a gold answer", "hint:"),
    no_gold_at_all: ("part-00000.parquet` line 4", "column `answer`", "a gold answer", "hint:"),
    no_choice: ("part-00000.parquet` line 4", "column `choices`", "hint:"),
    not_a_number: ("part-00000.parquet` line 4", "column `logprob`", "a finite log-probability", "hint:"),
}


def files() -> dict[str, bytes]:
    """All there is but the store, which holds no run yet."""
    found = (path for path in Path().rglob("*") if path.is_file() and not path.name.startswith("stepdown.sqlite"))
    return {str(path): path.read_bytes() for path in found}


def refused(tokens: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command that must be refused and leave all as it was; return what it said."""
    before = files()
    assert main(tokens) == 2
    said = capsys.readouterr()
    assert files() == before and not said.out and "Traceback" not in said.err
    return said.err


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("break_it", BROKEN, ids=lambda one: str(one.__name__))
def test_a_broken_corpus_is_told_by_every_verb_and_leaves_nothing(
    break_it: Callable[[], None], verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    break_it()
    said = " ".join(refused(VERBS[verb], capsys).split())
    assert all(words in said for words in BROKEN[break_it])


def test_force_over_another_corpus_leaves_that_one_as_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    write().rename("out")
    not_a_number()
    assert "logprob" in refused((*VERBS["keep"], "--force"), capsys)


@pytest.mark.parametrize("verb", ["train", "study"])
def test_one_label_alone_teaches_nothing_and_is_refused_before_a_base_is_looked_for(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write("BBBB")
    assert "chains of choice problems have the label `B`" in refused(VERBS[verb], capsys)


def test_one_label_alone_may_be_selected_and_taken_out(capsys: pytest.CaptureFixture[str]) -> None:
    write("BBBB")
    assert main(VERBS["keep"]) == main(VERBS["export"]) == 0


def test_a_study_of_plans_is_refused_before_anything_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    write()
    write_card(Path("bad"), msgspec.structs.replace(read_card(Path("bad")), content="plan"))
    assert "holds plans" in refused(VERBS["study"], capsys)


@pytest.mark.parametrize(("name", "body"), [("p.jsonl", b""), ("p.parquet", b"PAR1cut off")])
def test_problems_that_are_empty_or_cut_off_are_not_run(
    name: str, body: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(name).write_bytes(body)
    assert name in refused(("run", name, "--student", "openai/x", "--method", "direct"), capsys)


def student(body: bytes) -> Path:
    folder = Path("weights")
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama"}')
    (folder / "model.safetensors").write_bytes(body)
    return folder


RUN = ("run", "wordsums", "-n", "1", "--student", "weights", "--method", "direct")
TO_GGUF = ("export", "weights", "--to", "gguf", "--out", "out.gguf")
needs_train = pytest.mark.skipif(not find_spec("trl"), reason="needs the extra `train`")
ON_IT = pytest.param(("train", "bad", "--base", "weights", "--out", "out"), marks=needs_train)


@pytest.mark.parametrize("tokens", [RUN, TO_GGUF, ON_IT])
def test_a_pickle_named_safetensors_is_read_by_no_verb(
    tokens: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    write()
    student(pickle.dumps({"weights": [0.0] * 100}))
    assert "is a pickle with the name of safetensors" in refused(tokens, capsys)


@pytest.mark.parametrize("verb", ["keep", "train", "export"])
def test_a_card_that_nests_without_end_is_told(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    (write() / "card.json").write_bytes(b'{"version": 1, "dataset": "p", "more": ' + b"[" * 200_000)
    assert "cannot read the card" in refused(VERBS[verb], capsys)


def test_a_header_that_nests_without_end_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    header = b"[" * 200_000
    student(len(header).to_bytes(8, "little") + header)
    assert "is not safetensors" in refused(TO_GGUF, capsys)


@pytest.mark.parametrize("place", ["notes", "bad"])
def test_a_folder_that_is_no_student_is_not_trained_over(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    write()
    Path("notes").mkdir()
    Path("notes", "mine.txt").write_text("years of work")
    tokens = (*VERBS["train"][:-1], place, "--force")
    assert "is not a student folder" in refused(tokens, capsys)
