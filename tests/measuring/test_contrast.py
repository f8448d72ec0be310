"""Contrast sets: paired rows, consistency, and transfer to data nobody trained on."""

import json
from pathlib import Path

import pytest

from real_data import whole
from stepdown.cli import main
from stepdown.errors import BadRow, UnknownName, UsageError
from stepdown.measuring import consistency
from stepdown.problems import load_problems
from stepdown.reports import report, write_page
from stepdown.store import Run, Store
from stepdown.types import Grade, Problem, Trace
from stored_runs import LETTERS, keep_run


def films(store: Store, verdicts: str, split: str, *, start: int = 0, words: str = "How is film number") -> Run:
    """A run on as many films as there are letters."""
    rows = [
        [(Trace(Problem(f"films/{split}/{n + start}", f"{words} {n}?", "A"), "direct", solution="A"),
          Grade(LETTERS[letter], "A", "", "default@2"))]
        for n, letter in enumerate(verdicts)
    ]  # fmt: skip
    return keep_run(store, rows, dataset=f"films/{split}")


# -- data


def write_films(folder: Path, name: str, *rows: str) -> Path:
    path = folder / name
    path.write_text("\n".join(("Sentiment\tText", *rows)) + "\n")
    return path


def test_imdb_is_read_from_the_contrast_sets_files(tmp_path: Path) -> None:
    path = write_films(tmp_path, "dev_original.tsv", 'Negative\t"Dull.<br /><br />A ""classic""."')
    problem = load_problems("imdb", data=path)[0]
    assert problem.question.startswith('Dull.\n\nA "classic".\n\nIs this film review')
    assert (problem.id, problem.answer, problem.choices) == ("imdb/dev/0", "B", ("positive", "negative"))


def test_a_contrast_file_is_of_the_split_contrast(tmp_path: Path) -> None:
    path = write_films(tmp_path, "dev_contrast.tsv", "Positive\tBright.")
    problem = load_problems("imdb", data=path)[0]
    assert (problem.id, problem.answer) == ("imdb/contrast/0", "A")
    assert load_problems("imdb", split="contrast", data=path)[0] == problem


def test_a_sentiment_there_is_not_names_its_line(tmp_path: Path) -> None:
    path = write_films(tmp_path, "dev_original.tsv", "Positive\tBright.", "Mixed\tHm.")
    with pytest.raises(BadRow, match=r"line 3, column `Sentiment`"):
        load_problems("imdb", data=path).check()


def test_a_split_the_hub_lacks_points_to_a_file() -> None:
    with pytest.raises(UsageError, match="the hub has no split `contrast`") as caught:
        load_problems("imdb", split="contrast").check()
    assert "--data" in caught.value.hint


def test_sst2_is_read_from_glues_file(tmp_path: Path) -> None:
    path = tmp_path / "dev.tsv"
    path.write_text("sentence\tlabel\nwell-conceived \t1\ndull , lifeless\t0\n")
    found = list(load_problems("sst2", data=path))
    assert [(one.id, one.answer) for one in found] == [("sst2/dev/0", "A"), ("sst2/dev/1", "B")]
    assert found[0].question == "well-conceived\n\nIs this phrase of a film review positive or negative?"


@pytest.mark.parametrize(
    ("name", "file", "count", "positive"),
    [
        pytest.param(file.partition("/")[0], file, *counts, marks=pytest.mark.whole(file))
        for file, *counts in (
            ("imdb/dev_original.tsv", 100, 52),
            ("imdb/dev_contrast.tsv", 100, 48),
            ("sst2/dev_glue_872.tsv", 872, 444),
            ("sst2/alps_dev_6735.tsv", 6735, 3741),
        )
    ],
)
def test_real_films_are_read_whole(name: str, file: str, count: int, positive: int) -> None:
    problems = load_problems(name, data=whole(file))
    assert problems.check().count == count
    assert sum(problem.answer == "A" for problem in problems) == positive


@pytest.mark.whole("imdb/dev_original.tsv", "imdb/dev_contrast.tsv")
def test_real_contrast_rows_pair_and_differ_in_their_gold() -> None:
    one, other = (load_problems("imdb", data=whole(f"imdb/dev_{name}.tsv")) for name in ("original", "contrast"))
    pairs = list(zip(one, other, strict=True))
    assert all(a.id.rpartition("/")[2] == b.id.rpartition("/")[2] and a.answer != b.answer for a, b in pairs)


# -- consistency


def test_consistency_counts_pairs_of_which_both_are_right(store: Store) -> None:
    found = consistency(films(store, "rrrw", "dev"), films(store, "rrww", "contrast"))
    assert (found.pairs, found.both, found.right, found.contrast_right) == (4, 2, 3, 2)
    assert (found.consistency, found.accuracy, found.contrast_accuracy) == (0.5, 0.75, 0.5)
    assert (found.consistency_low, found.consistency_high) == pytest.approx((0.150, 0.850), abs=1e-3)
    assert (found.difference, found.p) == (-0.25, 1.0)


def test_a_pair_with_an_ungraded_side_is_left_out_and_counted(store: Store) -> None:
    found = consistency(films(store, "rr-r", "dev"), films(store, "r-rw", "contrast"))
    assert (found.pairs, found.both, found.ungraded) == (2, 1, 2)


def test_problems_without_a_partner_are_counted(store: Store) -> None:
    found = consistency(films(store, "rrr", "dev"), films(store, "rrr", "contrast", start=2))
    assert (found.pairs, found.alone) == (1, 4)


def test_runs_without_a_common_id_are_no_pair(store: Store) -> None:
    with pytest.raises(UsageError, match="no problem of run"):
        consistency(films(store, "rr", "dev"), films(store, "rr", "contrast", start=7))


def test_pairs_of_other_words_are_doubted(store: Store) -> None:
    runs = (films(store, "rr", "dev"), films(store, "rw", "contrast", words="What colour has lamp"))
    assert (consistency(*runs).alike or 0) < 0.5
    assert "are these the same rows?" in str(report(runs[0], contrast=[runs[1]]))


def test_pairs_none_of_which_is_graded_have_no_share(store: Store) -> None:
    found = consistency(films(store, "--", "dev"), films(store, "rr", "contrast"))
    assert (found.pairs, found.consistency, found.accuracy, found.ungraded) == (0, None, None, 2)


def test_a_report_shows_consistency_beside_both_accuracies(store: Store) -> None:
    runs = (films(store, "rrrw", "dev"), films(store, "rrww", "contrast"))
    made = report(runs[0], contrast=[runs[1]])
    assert "75.0 [30.1, 95.4]  50.0 [15.0, 85.0]" in str(made)
    assert "**Contrast sets**" in made.to_markdown()
    assert made.to_json()["consistencies"][0]["consistency"] == 0.5


def test_each_run_has_a_contrast_run_of_its_own(store: Store) -> None:
    runs = (films(store, "rr", "dev"), films(store, "rr", "contrast"))
    with pytest.raises(UsageError, match="1 run and 2 runs on contrast sets do not pair"):
        report(runs[0], contrast=[runs[1], runs[1]])


def test_a_grader_that_graded_neither_is_unknown(store: Store) -> None:
    with pytest.raises(UnknownName, match="strict"):
        report(films(store, "rr", "dev"), contrast=[films(store, "rr", "contrast")], grader="strict")


def test_the_verb_report_takes_a_contrast_run(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    ids = (films(store, "rw", "dev").id, films(store, "rr", "contrast").id)
    assert main(["report", ids[0], "--contrast", ids[1], "--store", str(store.path), "--json"]) == 0
    one = json.loads(capsys.readouterr().out)["consistencies"][0]
    assert (one["run"], one["contrast"], one["both"], one["pairs"]) == (*ids, 1, 2)


def test_a_contrast_run_needs_a_run_it_belongs_to(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    contrast = films(store, "rr", "contrast")
    assert main(["report", "--contrast", contrast.id, "--store", str(store.path)]) == 2
    assert "compares with a run" in capsys.readouterr().err


@pytest.mark.slow
def test_the_page_has_the_contrast_table(store: Store, tmp_path: Path) -> None:
    made = report(films(store, "rr", "dev"), contrast=[films(store, "rw", "contrast")])
    assert "<caption>Contrast sets</caption>" in write_page(made, tmp_path / "page.html").read_text()
