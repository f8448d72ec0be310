"""A corpus is a folder that streams in and out unchanged, and a broken one is told before anything is written."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import get_args

import msgspec
import polars
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora import write_corpus
from stepdown.corpus import Card, Corpus, CorpusWriter, open_corpus
from stepdown.corpus.card import readme
from stepdown.corpus.parquet_rows import frame_of, row_of
from stepdown.errors import BadRow, UnknownName, UsageError
from stepdown.types import Chain, Finish, Grade, Kind, Problem, Sampling, Verdict

CARD = Card(
    dataset="made/train", origin="a test", sampling=Sampling(temperature=1.0), licence="CC0", notes=("made up",)
)


def problem(number: int) -> Problem:
    return Problem(f"made/train/{number}", f"What is {number} plus one?", str(number + 1))


def chain(number: int, sample: int = 0, *, right: bool = True, teacher: str = "big") -> Chain:
    said = str(number + 1 + (not right))
    grade = Grade("right" if right else "wrong", said, "the last word", "last-word@1")
    return Chain(
        problem(number), f"One more than {number} is {said}.\nAnswer: {said}", teacher, sample, grade, -0.5, 12
    )


def some(problems: int = 3, chains: int = 4) -> list[Chain]:
    """Return chains of which each problem's first is wrong."""
    return [chain(number, sample, right=sample > 0) for number in range(problems) for sample in range(chains)]


def written(
    folder: Path, chains: Iterable[Chain], *, name: str = "corpus", force: bool = False, rows: int = 25
) -> Corpus:
    return write_corpus(folder / name, chains, card=CARD, force=force, rows=rows)


def damaged(folder: Path, **columns: object) -> Path:
    """Return a corpus whose second row has these values."""
    frame = frame_of([row_of(one) for one in some()])
    second = polars.int_range(polars.len()) == 1
    for name, value in columns.items():
        value = polars.lit(value, dtype=frame.schema[name])
        frame = frame.with_columns(polars.when(second).then(value).otherwise(polars.col(name)).alias(name))
    path = written(folder, some()).path
    frame.write_parquet(path / "part-00000.parquet")
    return path


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    ["", "\0\n\r", "'\"`,|<b>", "é🙂"]
)
grades = st.builds(Grade, st.sampled_from(get_args(Verdict)), st.none() | words, words, words)
small = st.integers(0, 2**62)


@st.composite
def corpora(draw: st.DrawFn) -> list[Chain]:
    chains = []
    for number in range(draw(st.integers(1, 4))):
        choices = tuple(draw(st.lists(words, max_size=3)))
        kind: Kind = draw(st.sampled_from(get_args(Kind)))
        one = Problem(
            f"{number}/{draw(words)}", draw(words), "gold" + draw(words), choices, kind, draw(words), draw(words)
        )
        finish: st.SearchStrategy[Finish] = st.sampled_from(get_args(Finish))
        logprobs = st.none() | st.floats(allow_nan=False, allow_infinity=False)
        rest = (words, words, small, grades, logprobs, st.none() | small, finish, words, st.booleans())
        chains += [Chain(one, *draw(st.tuples(*rest))) for _ in range(draw(st.integers(1, 3)))]
    return chains


@pytest.mark.slow
@given(corpora())
@settings(max_examples=40)
def test_what_is_read_is_what_was_written(tmp_path_factory: pytest.TempPathFactory, chains: list[Chain]) -> None:
    assert list(written(tmp_path_factory.mktemp("corpora"), chains)) == chains


def test_half_of_a_surrogate_pair_is_written_as_a_question_mark(tmp_path: Path) -> None:
    odd = msgspec.structs.replace(chain(1), text="a \ud83d smile")
    assert [one.text for one in written(tmp_path, [chain(0), odd])] == [chain(0).text, "a ? smile"]


def test_all_chains_of_a_problem_come_as_one_group_that_shares_its_problem(tmp_path: Path) -> None:
    groups = list(written(tmp_path, some()).groups())
    assert [len(group) for group in groups] == [4, 4, 4]
    assert all(one.problem is group[0].problem for group in groups for one in group)


def test_a_group_may_reach_over_the_edge_of_a_part(tmp_path: Path) -> None:
    corpus = written(tmp_path, some(5), rows=5)
    assert [path.name for path in sorted(corpus.path.glob("*.parquet"))] == [f"part-{n:05}.parquet" for n in range(4)]
    assert [len(group) for group in corpus.groups()] == [4] * 5
    assert list(corpus) == some(5)


def test_the_card_counts_what_was_written(tmp_path: Path) -> None:
    card = written(tmp_path, [*some(2), chain(9, teacher="other")]).card
    assert (card.problems, card.chains, card.right, card.graded) == (3, 9, 7, 9)
    assert (card.teachers, card.graders) == ({"big": 8, "other": 1}, ("last-word@1",))
    assert card.sampling == Sampling(temperature=1.0) and card.notes == ("made up",)


def test_the_fingerprint_stands_for_the_rows_and_not_for_their_parts(tmp_path: Path) -> None:
    one, other = written(tmp_path, some()), written(tmp_path, some()[:-1], name="other")
    again = written(tmp_path, some(), name="again", rows=5)
    assert one.card.fingerprint == again.card.fingerprint != other.card.fingerprint
    assert re.fullmatch("[0-9a-f]{32}", one.card.fingerprint)


def test_a_view_keeps_lazily_and_leaves_the_corpus_alone(tmp_path: Path) -> None:
    corpus = written(tmp_path, some())
    view = corpus.keep("right").keep("per-problem=2", seed=1)
    assert view.filters == ("right", "per-problem=2") and corpus.filters == ()
    assert [len(group) for group in view.groups()] == [2, 2, 2]
    assert all(one.grade.verdict == "right" for one in view)
    assert list(view) == list(view) and len(list(corpus)) == 12


def test_a_written_view_tells_on_its_card_what_each_filter_kept(tmp_path: Path) -> None:
    corpus = written(tmp_path, [*some(2), chain(9, right=False)])
    kept = corpus.keep("right", "per-problem=2", seed=7).write(tmp_path / "kept")
    first, second = kept.card.selection
    assert (first.filter, first.chains_in, first.chains_kept) == ("right", 9, 6)
    assert (first.problems_in, first.problems_kept, first.seed) == (3, 2, 7)
    assert (second.chains_in, second.chains_kept, second.problems_in) == (6, 4, 2)
    assert kept.card.kept_from == corpus.card.fingerprint and kept.card.chains == 4


def test_a_view_of_a_view_remembers_the_whole_selection(tmp_path: Path) -> None:
    once = written(tmp_path, some()).keep("right").write(tmp_path / "once")
    twice = once.keep("per-problem=1").write(tmp_path / "twice")
    assert [one.filter for one in twice.card.selection] == ["right", "per-problem=1"]
    assert "per-problem=1" in (twice.path / "README.md").read_text()


@pytest.mark.parametrize("count", [1, 2, 5, 10, 20, 30])
def test_any_number_of_chains_is_a_view_of_one_corpus(tmp_path: Path, count: int) -> None:
    corpus = written(tmp_path, some(3, 30))
    assert [len(group) for group in corpus.keep(f"per-problem={count}").groups()] == [count] * 3


def test_a_filter_that_looks_first_sees_what_those_before_it_keep(tmp_path: Path) -> None:
    corpus = written(tmp_path, some(10, 10))
    kept = corpus.keep("right", "open-ended").write(tmp_path / "kept")
    assert kept.card.selection[1].chains_in == 90
    assert {one.grade.verdict for one in kept} == {"right"} and kept.card.problems == 10


def test_writing_a_view_over_its_own_corpus_with_force_replaces_it(tmp_path: Path) -> None:
    corpus = written(tmp_path, some())
    kept = corpus.keep("right").write(corpus.path, force=True)
    assert len(list(kept)) == 9 and [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_progress_tells_rows_read_and_all_there_are(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    corpus = written(tmp_path, some())
    corpus.keep("right").write(tmp_path / "kept", progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (12, 12)


def test_an_unknown_filter_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    corpus = written(tmp_path, some())
    with pytest.raises(UnknownName, match="did you mean `right`"):
        corpus.keep("rihgt")


def test_a_view_that_keeps_nothing_names_the_filter_and_leaves_nothing(tmp_path: Path) -> None:
    corpus = written(tmp_path, [chain(1, right=False)])
    with pytest.raises(UsageError, match="`right` kept none of 1"):
        corpus.keep("right").write(tmp_path / "kept")
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_an_error_while_writing_leaves_what_was_there(tmp_path: Path) -> None:
    before = written(tmp_path, some())
    with pytest.raises(KeyboardInterrupt), CorpusWriter(before.path, card=CARD, force=True) as writer:
        writer.add(chain(1))
        raise KeyboardInterrupt
    assert list(open_corpus(before.path)) == some() and len(list(tmp_path.iterdir())) == 1


def test_a_corpus_that_is_there_is_replaced_only_by_force(tmp_path: Path) -> None:
    written(tmp_path, some())
    with pytest.raises(UsageError, match="is there already"):
        written(tmp_path, some(1))
    assert written(tmp_path, some(1), force=True).card.problems == 1


def test_a_folder_that_is_no_corpus_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "thesis.tex").write_text("dear")
    with pytest.raises(UsageError, match="is not a corpus"):
        CorpusWriter(tmp_path / "corpus", card=CARD, force=True)


def test_a_corpus_without_a_chain_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no chain"):
        written(tmp_path, [])
    assert not list(tmp_path.iterdir())


def test_a_problem_that_comes_back_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="`made/train/1` do not lie together"):
        written(tmp_path, [chain(1), chain(2), chain(1, 1)])
    assert not list(tmp_path.iterdir())


def test_two_problems_of_one_id_are_refused(tmp_path: Path) -> None:
    other = msgspec.structs.replace(chain(1), problem=Problem("made/train/1", "Another?", "2"))
    with pytest.raises(UsageError, match="two problems have the id"):
        written(tmp_path, [chain(1), other])


@pytest.mark.parametrize("logprob", [float("nan"), float("-inf")])
def test_a_log_probability_that_is_no_number_is_not_written(tmp_path: Path, logprob: float) -> None:
    with pytest.raises(UsageError, match="log-probability of a chain for `made/train/1`"):
        written(tmp_path, [msgspec.structs.replace(chain(1), logprob=logprob)])


def test_a_graded_chain_needs_a_gold_and_an_ungraded_one_does_not(tmp_path: Path) -> None:
    bare = msgspec.structs.replace(chain(1), problem=Problem("made/train/1", "Why?", ""))
    with pytest.raises(UsageError, match="no gold answer"):
        written(tmp_path, [bare])
    ungraded = msgspec.structs.replace(bare, grade=Grade("ungraded", "2"))
    assert written(tmp_path, [ungraded]).card.graded == 0


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("logprob", float("nan"), "a finite log-probability"),
        ("answer", None, "a gold answer"),
        ("answer", "", "a gold answer, since the chain is graded"),
        ("problem", "", "the id of a problem"),
        ("text", None, "a value"),
        ("verdict", "maybe", "one of right, wrong, ungraded"),
        ("kind", "poem", "one of number, expression, choice, text"),
    ],
)
def test_a_broken_row_is_named_and_nothing_is_written(
    tmp_path: Path, column: str, value: object, expected: str
) -> None:
    corpus = open_corpus(damaged(tmp_path, **{column: value}))
    with pytest.raises(BadRow, match=rf"part-00000\.parquet` line 2, column `{column}`: expected {expected}"):
        corpus.keep("all").write(tmp_path / "kept")
    assert not (tmp_path / "kept").exists() and len(list(tmp_path.iterdir())) == 1


def test_a_corpus_whose_problems_lie_apart_is_refused_while_reading(tmp_path: Path) -> None:
    first, second = some(1, 1)[0].problem, some(2, 1)[1].problem
    path = damaged(tmp_path, problem=second.id, question=second.question, answer=second.answer)
    with pytest.raises(UsageError, match=f"`{first.id}` do not lie together"):
        list(open_corpus(path))


def test_a_truncated_part_is_refused_on_opening(tmp_path: Path) -> None:
    part = written(tmp_path, some()).path / "part-00000.parquet"
    part.write_bytes(part.read_bytes()[:-40])
    with pytest.raises(UsageError, match="is not a whole parquet file"):
        open_corpus(part.parent)


def test_a_part_that_is_broken_inside_is_refused_while_reading(tmp_path: Path) -> None:
    part = written(tmp_path, some()).path / "part-00000.parquet"
    body = part.read_bytes()
    part.write_bytes(body[:4] + b"\xff" * 200 + body[204:])
    with pytest.raises(UsageError, match="cannot be read"):
        list(open_corpus(part.parent))


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, some(), rows=4).path
    (path / "part-00001.parquet").unlink()
    with pytest.raises(UsageError, match=r"part-00001\.parquet` is missing"):
        open_corpus(path)


def test_a_missing_last_part_shows_in_the_counts(tmp_path: Path) -> None:
    path = written(tmp_path, some(), rows=4).path
    (path / "part-00002.parquet").unlink()
    with pytest.raises(UsageError, match="holds 8 chains, but its card says 12"):
        open_corpus(path)


def test_a_card_that_miscounts_problems_is_told_while_reading(tmp_path: Path) -> None:
    path = written(tmp_path, some()).path
    card = (path / "card.json").read_text().replace('"problems": 3', '"problems": 4')
    (path / "card.json").write_text(card)
    with pytest.raises(UsageError, match="holds 3 problems, but its card says 4"):
        list(open_corpus(path))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda frame: frame.drop("logprob"), "has no column `logprob`"),
        (lambda frame: frame.cast({"tokens": polars.String}), "`tokens` of .* is String, not Int64"),
    ],
)
def test_a_part_of_another_shape_is_refused(tmp_path: Path, change: object, expected: str) -> None:
    part = written(tmp_path, some()).path / "part-00000.parquet"
    assert callable(change)
    change(polars.read_parquet(part)).write_parquet(part)
    with pytest.raises(UsageError, match=expected):
        open_corpus(part.parent)


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        (None, "it has no `card.json`"),
        (b'{"version": 99}', "is of version 99, newer than 1"),
        (b'{"version": 1, "dataset": 3}', "cannot read the card"),
        (b"\xff\xfe", "cannot read the card"),
    ],
)
def test_a_card_that_cannot_be_read_is_told(tmp_path: Path, card: bytes | None, expected: str) -> None:
    path = written(tmp_path, some()).path / "card.json"
    path.unlink() if card is None else path.write_bytes(card)
    with pytest.raises(UsageError, match=expected):
        open_corpus(path.parent)


def test_a_corpus_that_is_not_there_or_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="there is no corpus"):
        open_corpus(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="is a file"):
        open_corpus(tmp_path / "file")


def test_the_page_for_people_only_shows_hostile_names() -> None:
    hostile = "<script>alert(1)</script> | [x](http://evil) `a`\n# head \x1b[2J"
    page = readme(Card(dataset=hostile, teachers={hostile: 3}, notes=(hostile,), licence=hostile))
    assert "<script" not in page and "\x1b" not in page and "[x](" not in page
    assert [line for line in page.splitlines() if line.startswith("# head")] == []
    assert "\\[x\\]" in page and "\\`a\\`" in page


def test_the_page_for_people_names_teachers_sampling_licence_and_fingerprint(tmp_path: Path) -> None:
    corpus = written(tmp_path, some())
    page = (corpus.path / "README.md").read_text()
    assert "| big | 12 |" in page and "temperature 1, top" in page and "| licence | CC0 |" in page
    assert corpus.card.fingerprint in page
