"""The corpus pages show one problem at a time, and of every chain whether it is kept, with the reason."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote_plus

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora import write_corpus
from served import Answer, get, served
from stepdown.corpus import Card, Lineage, PlanLineage, index_problems, write_lineages, write_plan_lineages
from stepdown.errors import UsageError
from stepdown.types import Chain, Grade, Problem
from stepdown.web.state import Places, State

CARD = Card(dataset="made/train", origin="a <b>test</b>", licence="CC0", notes=("made up",))
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>"


def problem(number: int) -> Problem:
    return Problem(f"made/train/{number}", f"Ann has {number} pears and buys 1. How many?", str(number + 1))


def chain(number: int, sample: int, text: str = "") -> Chain:
    said = str(number + 1 + (sample == 0))
    text = text or f"She starts with {number}, then draw {sample} adds one more thing {sample * 7}.\nAnswer: {said}"
    grade = Grade("wrong" if sample == 0 else "right", said, "the last word", "last-word@1")
    return Chain(problem(number), text, "big" if sample % 2 else "large", sample, grade, -0.25 * sample, 12 + sample)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("pages")
    chains = [chain(number, sample) for number in range(30) for sample in range(4)]
    chains[1] = chain(0, 1, HOSTILE)
    write_corpus(folder / "pears", chains, card=CARD, rows=7)
    write_lineages(folder / "pears", [Lineage("made/train/2", 3, "4f2a", "small", 1, "No idea. " + HOSTILE, 11)])
    worth = PlanLineage(problem="made/train/4", sample=1, run="4f2a", draw=1, student=HOSTILE, right=3, graded=4,
                        without="5b", right_without=1, graded_without=4, value=0.5, low=-0.1, high=0.9)  # fmt: skip
    write_plan_lineages(folder / "pears", [worth])
    (folder / "broken").mkdir()
    given = (folder / "pears", folder / "broken")
    with served(lambda: State(folder / "pages.sqlite", places=Places(corpora=given))) as url:
        yield url


def ask(site: str, problem: str = "1", filters: str = "", seed: str = "") -> Answer:
    return get(f"{site}/corpora/pears?problem={quote_plus(problem)}&filters={quote_plus(filters)}&seed={seed}")


def test_the_list_shows_each_corpus_with_its_cards_figures_and_says_what_is_broken(site: str) -> None:
    text = get(f"{site}/corpora").text
    assert "made/train" in text and "120" in text and "90 / 120" in text
    assert "it has no `card.json`" in text


def test_without_a_corpus_the_list_says_how_to_give_one(tmp_path: Path) -> None:
    with served(lambda: State(tmp_path / "pages.sqlite")) as url:
        assert "stepdown serve --corpus DIR" in get(f"{url}/corpora").text


def test_a_problem_is_found_by_number_id_and_words(site: str) -> None:
    for asked in ("8", "made/train/7", "7 PEARS"):
        answer = ask(site, asked)
        assert answer.status == 200
        assert "made/train/7" in answer.text
    assert "11 problems hold" in ask(site, "has 2").text


def test_words_that_one_problem_holds_lead_to_its_number(site: str) -> None:
    answer = ask(site, "has 29 pears", "right")
    assert "problem=30" in answer.place and "filters=right" in answer.place
    assert "problem 30 of 30" in answer.text


def test_what_is_not_there_is_said_in_words(site: str) -> None:
    assert [ask(site, asked).status for asked in ("31", "9" * 400, "0" * 20 + "1")] == [400, 400, 200]
    assert ask(site, "1", "right " * 13).status == 400
    assert "numbered from 1 to 30" in ask(site, "0").text
    assert "Try fewer words" in ask(site, "plums").text
    assert get(f"{site}/corpora/none").status == 404


def test_each_dropped_chain_names_the_first_filter_that_drops_it(site: str) -> None:
    text = ask(site, "5", "right per-problem=1").text
    assert "1 kept, 3 dropped" in text
    assert len(re.findall(r"by <code>right</code>", text)) == 1
    assert len(re.findall(r"by <code>per-problem=1</code>", text)) == 2
    assert "chains whose label equals the gold" in text


def test_a_bad_filter_is_told_beside_the_box_and_the_chains_stay(site: str) -> None:
    answer = ask(site, "5", "rihgt")
    assert answer.status == 400
    assert 'aria-describedby="error-filters"' in answer.text and "Did you mean <code>right</code>" in answer.text
    assert answer.text.count("<article") == 4


@pytest.mark.parametrize("filters", ["decontaminate=/etc/passwd", "per-problem=2:diverse:/tmp/model"])
def test_a_filter_that_opens_a_file_is_refused_before_it_looks(site: str, filters: str) -> None:
    answer = ask(site, "5", filters)
    assert answer.status == 400
    assert "which pages do not do" in answer.text


def test_a_filter_that_must_see_the_corpus_says_how_long_it_took(site: str) -> None:
    text = ask(site, "5", "right teachers=big,large=1:1").text
    assert "look at the whole corpus first" in text


def test_the_counts_are_those_that_keep_writes(site: str, tmp_path: Path) -> None:
    made = write_corpus(
        tmp_path / "pears", [chain(number, sample) for number in range(30) for sample in range(4)], card=CARD, rows=7
    )
    kept = made.keep("right", "per-problem=2").write(tmp_path / "kept").card.selection
    text = get(f"{site}/corpora/pears/counts?filters=right+per-problem%3D2").text
    assert "120 of 120 read" in text
    for one in kept:
        assert f'<td class="n">{one.chains_in}</td><td class="n">{one.chains_kept}</td>' in text


def test_hostile_text_is_shown_and_never_markup(site: str) -> None:
    text = ask(site, "1").text
    assert "&lt;script&gt;alert(1)" in text and "<script>alert" not in text and "<img src=x" not in text
    assert "a &lt;b&gt;test" in text


def test_a_path_in_the_name_leads_nowhere(site: str) -> None:
    for name in ("..%2F..%2Fetc", "%2Fetc", "pears%2F.."):
        assert get(f"{site}/corpora/{name}").status == 404


sizes = st.lists(st.integers(1, 7), min_size=1, max_size=6)


@pytest.mark.slow
@given(sizes, st.integers(2, 5))
@settings(max_examples=10)
def test_places_give_the_same_groups_as_reading_the_whole(
    tmp_path_factory: pytest.TempPathFactory, counts: list[int], rows: int
) -> None:
    chains = [chain(number, sample) for number, count in enumerate(counts) for sample in range(count)]
    corpus = write_corpus(tmp_path_factory.mktemp("places") / "c", chains, card=CARD, rows=rows)
    places = index_problems(corpus.path, corpus.card)
    assert [places.read(number) for number in range(len(places))] == list(corpus.groups())


def test_a_judged_group_keeps_what_the_view_keeps(tmp_path: Path) -> None:
    corpus = write_corpus(
        tmp_path / "c", [chain(number, sample) for number in range(6) for sample in range(4)], card=CARD, rows=7
    )
    view = corpus.keep("right", "teachers=big,large=1:1", "per-problem=2").prepared()
    judged = [one for group in corpus.groups() for one in view.judged(group)]
    assert [one for one, dropped in judged if dropped is None] == list(view)
    assert {dropped.name for _, dropped in judged if dropped} <= set(view.filters)


def test_places_refuse_a_corpus_that_is_not_what_its_card_says(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "c", [chain(0, 0), chain(1, 0)], card=CARD, rows=7)
    with pytest.raises(UsageError, match="its card says 3"):
        index_problems(corpus.path, msgspec.structs.replace(corpus.card, problems=3))


def test_a_mended_chain_shows_the_attempt_and_where_the_teacher_took_over(site: str) -> None:
    text, other = ask(site, "made/train/2").text, ask(site, "made/train/3").text
    assert "She starts </pre>" in text and "Here big took over:" in text and "What small wrote" in text
    assert "No idea. &lt;script&gt;" in text and "Attempt 1 of run <code>4f2a</code>" in text
    assert "took over" not in other and text.count("took over") == 1


def test_a_valued_plan_shows_what_it_was_worth_and_to_whom(site: str) -> None:
    text, other = ask(site, "made/train/4").text, ask(site, "made/train/3").text
    assert "+50.0 [−10.0, +90.0] points for &lt;script&gt;" in text and HOSTILE not in text
    assert "3 of 4 right with it, 1 of 4 without" in text and "right with it" not in other
