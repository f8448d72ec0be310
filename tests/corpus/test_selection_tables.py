"""Filters over columns and over chains keep the same rows, and both ways write the same corpus."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from corpora import write_corpus
from stepdown.corpus import Card, Corpus
from stepdown.corpus.selection import ChainTable, Filter, load_filter
from stepdown.corpus.selection.resemblance import WordTable
from stepdown.types import Chain, Finish, Grade, Problem

FILTERS = (
    "right", "wrong", "all", "parses", "complete", "agreed", "agreed=0.6", "distinct", "distinct=0.5",
    "distinct=exact", "per-problem=2", "per-problem=2:likely", "per-problem=1:short", "per-problem=3:long",
    "per-problem=2:diverse", "max-words=6", "max-tokens=9", "teacher=a*", "variant=*1", "no-gold-conditioned",
    "no-leak",
)  # fmt: skip
# Words that Python and Rust may part in different ways.
WORDS = (
    "two", "Two", "2", "2.5", "2,125.50", "a_b", "**two**", "2*3", "x+y=z", "ß", "ÉTÉ", "naïve", "½", "don't",
    "…", "“so”", "3−1", "Straße", "\x1c", "\u2003", "K", "e\u0301", "4:1", "3..5", "", "+", "the answer is 2",
)  # fmt: skip
TEXTS = some.lists(some.sampled_from(WORDS), max_size=14).map(" ".join)
FINISHES: tuple[Finish, ...] = ("stop", "length")
MANY = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@some.composite
def chains(draw: some.DrawFn) -> list[Chain]:
    """Make a few problems' chains, some of which repeat others nearly."""
    found = []
    for number in range(draw(some.integers(1, 4))):
        problem = Problem(f"made/{number}", f"What is {number}?", "2", ("1", "2") * (number % 2), "number")
        texts = draw(some.lists(TEXTS, min_size=1, max_size=4))
        texts += [draw(some.sampled_from(texts)) + draw(some.sampled_from(("", " end", "."))) for _ in range(3)]
        for at, text in enumerate(texts):
            label = draw(some.sampled_from(("2", "3", None, "2.0")))
            grade = Grade("right" if label == "2" else "wrong", label, grader="made@1")
            teacher, finish = draw(some.sampled_from(("ann", "bob"))), draw(some.sampled_from(FINISHES))
            tokens = draw(some.sampled_from((None, 3, 12)))
            found.append(Chain(problem, text, teacher, at, grade, -at / 7, tokens, finish, f"v{at % 2}", at % 3 == 0))
    return found


def write(folder: Path, some_chains: list[Chain]) -> Corpus:
    return write_corpus(folder, some_chains, card=Card(dataset="made"), force=True, rows=5)


def by_objects(name: str) -> Filter:
    return msgspec.structs.replace(load_filter(name, seed=3), columns=None)


@pytest.mark.parametrize("name", FILTERS)
def test_every_filter_has_a_rule_over_columns(name: str) -> None:
    assert load_filter(name).columns is not None


@pytest.mark.slow
@MANY
@given(made=chains(), name=some.sampled_from(FILTERS), then=some.sampled_from(FILTERS))
def test_columns_and_chains_keep_the_same(made: list[Chain], name: str, then: str, tmp_path: Path) -> None:
    corpus = write(tmp_path / "all", made)
    expected = list(corpus.keep(by_objects(name), by_objects(then)))
    tables = list(corpus.keep(name, then, seed=3).tables())
    assert [chain for table in tables for chain in table.chains] == expected


@pytest.mark.slow
@MANY
@given(made=chains())
def test_both_ways_write_the_same_corpus(made: list[Chain], tmp_path: Path) -> None:
    corpus = write(tmp_path / "all", made)
    one = corpus.keep("all", "per-problem=3", seed=3).write(tmp_path / "one", force=True)
    other = corpus.keep(by_objects("all"), by_objects("per-problem=3")).write(tmp_path / "other", force=True)
    assert one.card.selection == tuple(msgspec.structs.replace(kept, seed=3) for kept in other.card.selection)
    assert msgspec.structs.replace(one.card, selection=()) == msgspec.structs.replace(other.card, selection=())
    assert [path.name for path in one.path.iterdir()] == [path.name for path in other.path.iterdir()]


def test_most_chains_that_resemble_none_are_not_compared(tmp_path: Path) -> None:
    problem = Problem("made/0", "What is 2?", "2")
    texts = [" ".join(f"word{number}{at}" for at in range(20)) for number in range(9)]
    made = [Chain(problem, text, "ann", at) for at, text in enumerate([*texts, texts[3] + " end"])]
    (table,) = write(tmp_path / "all", made).tables()
    assert isinstance(table, ChainTable) and WordTable(table).may_resemble(0.8).nonzero()[0].tolist() == [3, 9]
