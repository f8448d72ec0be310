from collections import Counter
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from itertools import chain as chained
from itertools import islice, pairwise
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from real_data import whole
from stepdown.corpus.selection import FILTERS, load_filter
from stepdown.corpus.selection.clusters import clusters
from stepdown.corpus.selection.filters import Group, words
from stepdown.errors import UnknownName, UsageError
from stepdown.exchange.pools import read_pool
from stepdown.exchange.source import ChainSource
from stepdown.types import Chain, Finish, Grade, Problem, Verdict

SUM = Problem("sums/train/0", "What is 2 plus 4?", "6")
PURE = [
    *("all", "right", "wrong", "parses", "agreed", "agreed=0.6", "distinct", "distinct=exact", "no-leak", "complete"),
    *("max-words=4", "max-tokens=6", "teacher=a", "variant=?*", "no-gold-conditioned", "per-problem=3"),
    *(f"per-problem=3:{how}" for how in ("short", "long", "diverse")),
]


def chain(text: str, found: str | None = "6", *, sample: int = 0, teacher: str = "a", problem: Problem = SUM) -> Chain:
    verdict: Verdict = "right" if found == problem.answer else "wrong"
    return Chain(problem, text, teacher, sample, Grade(verdict, found))


def texts(name: str, group: Sequence[Chain], *, seed: int = 0) -> list[str]:
    return [one.text for one in load_filter(name, seed=seed).keep(group)]


def many(count: int, problem: Problem = SUM) -> list[Chain]:
    return [chain(f"way {n} of many " * (n % 4 + 1), sample=n, problem=problem) for n in range(count)]


@cache
def pool(name: str, count: int) -> list[list[Chain]]:
    source = ChainSource(
        path=whole(f"pools/{name}.jsonl.gz"), dataset=name, teacher="", scratch=Path.cwd(), seen=Counter()
    )
    return list(islice(read_pool(source), count))


CHAINS = st.builds(
    lambda said, found, teacher, sample: chain(said, found, teacher=teacher, sample=sample),
    st.lists(st.sampled_from(["two", "and", "four", "make", "6", "7", "=", "."]), max_size=9).map(" ".join),
    st.sampled_from(["6", "6.0", "7", None]),
    st.sampled_from(["a", "b"]),
    st.integers(0, 40),
)
GROUPS = st.lists(CHAINS, max_size=12)


# -- any filter


@pytest.mark.parametrize("name", PURE)
@settings(max_examples=40)
@given(group=GROUPS)
def test_a_filter_keeps_some_chains_in_their_order_and_again_changes_nothing(name: str, group: list[Chain]) -> None:
    keep = load_filter(name).keep
    kept = list(keep(group))
    places = [next(at for at, one in enumerate(group) if one is stays) for stays in kept]
    assert places == sorted(places)
    assert list(keep(kept)) == kept


def test_every_filter_has_a_line_of_help_and_a_definition() -> None:
    values = {"per-problem": "=5", "max-tokens": "=9", "max-words": "=9", "short:long": "=4:1", "teacher": "=a"}
    values |= {"teachers": "=a:b=4:1", "variant": "=a", "decontaminate": "=wordsums/test"}
    for name, line in FILTERS.items():
        one = load_filter(name + values.get(name, ""))
        assert line and one.definition and one.name == name + values.get(name, "")


def test_an_unknown_filter_is_met_with_the_nearest_name() -> None:
    with pytest.raises(UnknownName, match="did you mean `per-problem`"):
        load_filter("per_problem=5")


@pytest.mark.parametrize(
    "text",
    [
        *(
            "right=1",
            "right=",
            "per-problem",
            "per-problem=",
            "per-problem=0",
            "per-problem=five",
            "per-problem=5:best",
        ),
        *("per-problem=5:short:long", "distinct=0", "distinct=1.5", "distinct=", "agreed=x", "max-tokens=-1"),
        *("max-words=1.5", "short:long=4", "short:long=4:0", "short:long=1:2:3", "teacher", "teachers=a:b"),
        *("teachers=a:b=1", "teachers=a=1:1", "teachers=ollama/x:1b:openai/y=1:1", "decontaminate", "max-words=²"),
        *("decontaminate=gsm8k/nowhere", "decontaminate=gone.jsonl", "decontaminate=wordsums/test:0"),
    ],
)
def test_a_value_that_is_missing_not_allowed_or_senseless_is_refused_at_once(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        load_filter(text)
    assert refused.value.hint


@pytest.mark.skipif(find_spec("sentence_transformers") is not None, reason="sentence-transformers is installed here")
def test_a_model_of_sentences_needs_its_package_before_anything_is_read() -> None:
    with pytest.raises(UsageError, match="sentence-transformers"):
        load_filter("per-problem=5:diverse:some/model")


# -- verdicts


def test_the_majority_needs_no_gold_and_ties_go_to_the_label_reached_first() -> None:
    group = [chain("p", "7"), chain("q", "6"), chain("r", "6.0"), chain("s", "7")]
    assert texts("agreed", group) == ["p", "s"]
    assert texts("agreed", [*group, chain("t", "6")]) == ["q", "r", "t"]


def test_chains_without_a_label_have_no_vote() -> None:
    group = [chain("p", None), chain("q", None), chain("r", "7")]
    assert texts("agreed", group) == ["r"] and texts("parses", group) == ["r"]
    assert texts("agreed", group[:2]) == []


def test_a_majority_below_the_asked_share_keeps_nothing() -> None:
    group = [chain("p", "6"), chain("q", "6"), chain("r", "7"), chain("s", "8")]
    assert texts("agreed=0.5", group) == ["p", "q"] and texts("agreed=0.6", group) == []


def test_each_teacher_has_its_own_majority() -> None:
    group = [chain("p", "6"), chain("q", "7", teacher="b"), chain("r", "7", teacher="b"), chain("s", "7")]
    assert texts("agreed", group) == ["p", "q", "r"]


# -- duplicates


def test_case_punctuation_and_blanks_make_no_chain_distinct() -> None:
    group = [chain("Two and four make 6."), chain("two, and  FOUR\nmake 6!"), chain("Two and four make 60.")]
    assert texts("distinct=exact", group) == [group[0].text, group[2].text]


def test_signs_and_decimal_points_make_chains_distinct() -> None:
    assert words("8 + 2 = 10") != words("8 - 2 = 10") and words("2.5 is") != words("25 is")
    assert words("**So** it's 2,125.50.") == ["so", "it", "s", "2,125.50"]


def test_a_nearly_equal_chain_goes_and_a_milder_threshold_keeps_it() -> None:
    long = "we add the two apples to the four apples that are in the basket and count all of them to get six"
    group = [chain(long), chain(long.replace("six", "6"))]
    assert texts("distinct", group) == [long]
    assert len(texts("distinct=0.99", group)) == len(texts("distinct=exact", group)) == 2


@settings(max_examples=60)
@given(group=GROUPS)
def test_distinct_and_right_may_come_in_either_order(group: list[Chain]) -> None:
    distinct, right = load_filter("distinct").keep, load_filter("right").keep
    assert list(right(distinct(group))) == list(distinct(right(group)))


# -- so many of each problem


@pytest.mark.parametrize("how", ["random", "diverse", "short", "long", "likely"])
def test_views_are_nested_so_fewer_chains_are_some_of_more(how: str) -> None:
    group = [Chain(one.problem, one.text, "a", one.sample, logprob=-(one.sample % 5) / 7) for one in many(24)]
    views = [set(load_filter(f"per-problem={count}:{how}", seed=3).keep(group)) for count in (1, 2, 5, 10, 20, 30)]
    assert [len(view) for view in views] == [1, 2, 5, 10, 20, 24]
    assert all(fewer <= more for fewer, more in pairwise(views))


def test_a_draw_depends_on_the_seed_and_the_problem_but_on_no_other_chain() -> None:
    group = many(30)
    drawn = texts("per-problem=5", group)
    assert drawn == texts("per-problem=5:random", group) != texts("per-problem=5", group, seed=1)
    assert sorted(drawn) == sorted(texts("per-problem=5", group[::-1]))
    other = many(30, Problem("sums/train/1", "What is 2 plus 4?", "6"))
    assert texts("per-problem=5", other) != drawn
    without = [one for one in group if one.text != drawn[0]]
    assert set(drawn[1:]) < set(texts("per-problem=5", without))


def test_short_and_long_count_words() -> None:
    group = [chain("a b c"), chain("a"), chain("a b")]
    assert texts("per-problem=2:short", group) == ["a", "a b"] and texts("per-problem=1:long", group) == ["a b c"]


@pytest.mark.parametrize("logprob", [None, float("nan")])
def test_likely_chains_need_log_probabilities(logprob: float | None) -> None:
    with pytest.raises(UsageError, match=r"`sums/train/0`.* has no log-probability"):
        load_filter("per-problem=1:likely").keep([Chain(SUM, "one", "a", logprob=logprob)])


def test_diverse_chains_come_from_different_clusters() -> None:
    trains = [chain(f"trains are fast and heavy machines number {n}", sample=n) for n in range(6)]
    fruit = [chain(f"ripe fruit tastes sweet in summer sort {n}", sample=n) for n in range(2)]
    kept = texts("per-problem=2:diverse", [*trains, *fruit], seed=5)
    assert [text.split()[0] for text in kept] == ["trains", "ripe"]


@settings(max_examples=40)
@given(st.integers(1, 12), st.integers(1, 14), st.randoms(use_true_random=False))
def test_clusters_are_as_many_as_asked_and_hold_each_item_once(size: int, count: int, random: Random) -> None:
    half = [[random.random() for _ in range(size)] for _ in range(size)]
    found = clusters([[half[min(a, b)][max(a, b)] for a in range(size)] for b in range(size)], count)
    assert len(found) == min(size, count) and sorted(chained.from_iterable(found)) == list(range(size))


# -- bounds and origins


def test_lengths_are_tokens_where_counted_and_estimated_from_words_where_not() -> None:
    group = [Chain(SUM, "one two three", "a", tokens=9), Chain(SUM, "one two three four", "a"), Chain(SUM, "a", "a")]
    assert texts("max-tokens=5", group) == ["a"] and len(texts("max-tokens=6", group)) == 2
    assert texts("max-words=3", group) == ["one two three", "a"]


def test_a_chain_that_was_cut_is_not_complete() -> None:
    ends: tuple[Finish, ...] = ("stop", "length", "filter")
    assert texts("complete", [Chain(SUM, end, "a", finish=end) for end in ends]) == ["stop"]


def test_teachers_and_variants_are_named_whole_or_by_a_pattern() -> None:
    group = [Chain(SUM, "p", "openai/gpt-4o", variant="level1"), Chain(SUM, "q", "gpt3 [MaRio]", variant="Level2")]
    assert texts("teacher=gpt3 [mario]", group) == ["q"] and texts("teacher=gpt3", group) == []
    assert texts("teacher=openai/*", group) == ["p"] and texts("variant=level*", group) == ["p", "q"]


def test_chains_whose_teacher_saw_the_gold_can_be_left_out() -> None:
    assert texts("no-gold-conditioned", [Chain(SUM, "p", "a", gold_conditioned=True), Chain(SUM, "q", "a")]) == ["q"]


# -- real chains


def share(name: str, groups: list[list[Chain]]) -> float:
    keep = load_filter(name).keep
    return sum(len(keep(group)) for group in groups) / sum(map(len, groups))


@pytest.mark.whole("pools/quarel_train.jsonl.gz")
def test_of_real_chains_the_filters_keep_plausible_shares() -> None:
    quarel = pool("quarel_train", 1930)
    assert len(quarel) == 1930 and 0.65 <= share("right", quarel) <= 0.87
    assert share("right", quarel) + share("wrong", quarel) == pytest.approx(1)
    assert 0.85 <= share("distinct", quarel[:500]) < share("distinct=exact", quarel[:500]) < 1
    assert share("agreed", quarel[:500]) > share("right", quarel[:500]) and share("no-leak", quarel[:500]) > 0.99


@pytest.mark.whole("pools/date_understanding_mot.jsonl.gz")
def test_the_majority_is_right_more_often_than_a_chain() -> None:
    def accuracy(groups: Sequence[Group]) -> float:
        chains = [one for group in groups for one in group]
        return sum(one.grade.verdict == "right" for one in chains) / len(chains)

    dates = pool("date_understanding_mot", 60)
    keep = load_filter("agreed").keep
    assert accuracy([keep(group) for group in dates]) > accuracy(dates) + 0.05
