"""A corpus that is split by problem is filtered bucket by bucket: the same chains and bytes, whoever fills them."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from stepdown.corpus import Card, Corpus, CorpusWriter, open_corpus
from stepdown.corpus.buckets import bucket_of
from stepdown.corpus.selection import load_filter
from stepdown.errors import UsageError
from stepdown.types import Chain, Grade, Problem
from stepdown.workers import open_workers

BUCKETS = 5
KEPT = (
    ("distinct", "right", "per-problem=2"), ("short:long=2:1",), ("right", "open-ended"), ("teachers=ann,bob=2:1",),
    ("agreed", "complete"),
)  # fmt: skip


def made(count: int = 40) -> list[Chain]:
    return [
        Chain(
            Problem(f"made/{number}", f"What is {number} and {number}?", str(2 * number)),
            f"{'so ' * (at * number % 7)}it is {at % 3} for {number} {at // 2}",
            ("ann", "bob")[at % 2],
            at,
            Grade("right" if at % 3 else "wrong", str(at % 3), grader="made@1"),
        )
        for number in range(count)
        for at in range(6)
    ]


@pytest.fixture
def whole(tmp_path: Path) -> Corpus:
    with CorpusWriter(tmp_path / "whole", card=Card(dataset="made"), rows=50) as writer:
        for chain in made():
            writer.add(chain)
    return open_corpus(tmp_path / "whole")


@pytest.fixture
def split(whole: Corpus, tmp_path: Path) -> Corpus:
    return whole.write(tmp_path / "split", buckets=BUCKETS)


def sorted_chains(corpus: Corpus) -> list[tuple[str, int]]:
    return sorted((chain.problem.id, chain.sample) for chain in corpus)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def left_over(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


def test_each_problem_lies_in_the_bucket_of_its_question(whole: Corpus, split: Corpus) -> None:
    assert len(split.card.buckets) == BUCKETS and sorted_chains(split) == sorted_chains(whole)
    order = [bucket_of(group[0].problem, BUCKETS) for group in split.groups()]
    assert order == sorted(order) and len(set(order)) == BUCKETS
    assert split.card.fingerprint != whole.card.fingerprint and split.card.questions == whole.card.questions
    assert sum(one.chains for one in split.card.buckets) == split.card.chains == whole.card.chains


@pytest.mark.parametrize("filters", KEPT, ids=" ".join)
def test_a_split_corpus_keeps_what_a_whole_one_does(
    filters: Sequence[str], whole: Corpus, split: Corpus, tmp_path: Path
) -> None:
    one, other = whole.keep(*filters).write(tmp_path / "one"), split.keep(*filters).write(tmp_path / "other")
    assert 0 < one.card.chains < whole.card.chains and sorted_chains(one) == sorted_chains(other)
    assert one.card.selection == other.card.selection[len(split.card.selection) :]
    assert len(other.card.buckets) == BUCKETS and not one.card.buckets


@pytest.mark.slow
def test_any_number_of_workers_writes_the_same_bytes(split: Corpus, tmp_path: Path) -> None:
    (tmp_path / "held.jsonl").write_text('{"question": "What is 3 and 3?", "answer": "6"}\n')
    view = split.keep("short:long=2:1", f"decontaminate={tmp_path / 'held.jsonl'}", "distinct", "per-problem=2")
    for jobs in (1, 2):
        with open_workers(jobs) as workers:
            view.write(tmp_path / f"by {jobs}", workers=workers)
    assert bytes_of(tmp_path / "by 1") == bytes_of(tmp_path / "by 2")
    assert "1 problem went" in open_corpus(tmp_path / "by 2").card.selection[1].report


def test_buckets_that_were_filled_before_a_kill_are_not_filled_again(split: Corpus, tmp_path: Path) -> None:
    told: list[int] = []

    def stop(done: int, total: int) -> None:
        told.append(done)
        if len(told) == 3:
            raise KeyboardInterrupt

    view = split.keep("right")
    with pytest.raises(KeyboardInterrupt):
        view.write(tmp_path / "kept", progress=stop)
    (work,) = left_over(tmp_path)
    filled = {path.name: path.stat().st_mtime_ns for path in (tmp_path / work).glob("*.json")}
    assert not (tmp_path / "kept").exists() and len(filled) == 3
    kept = view.write(tmp_path / "kept", progress=lambda done, total: told.append(done))
    assert bytes_of(kept.path) == bytes_of(view.write(tmp_path / "again").path) and not left_over(tmp_path)


def test_what_a_kill_left_is_not_taken_for_other_filters(split: Corpus, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        split.keep("right").write(tmp_path / "kept", progress=stop)
    assert left_over(tmp_path)
    kept = split.keep("wrong").write(tmp_path / "kept")
    assert {chain.grade.verdict for chain in kept} == {"wrong"} and not left_over(tmp_path)


def test_what_a_kill_left_is_not_taken_for_other_data_of_a_filter(split: Corpus, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    held = tmp_path / "held.jsonl"
    held.write_text('{"question": "What is 3 and 3?", "answer": "6"}\n')
    with pytest.raises(KeyboardInterrupt):
        split.keep(f"decontaminate={held}").write(tmp_path / "kept", progress=stop)
    assert left_over(tmp_path)
    lines = [f'{{"question": "What is {number} and {number}?", "answer": "6"}}\n' for number in range(30)]
    held.write_text("".join(lines))
    kept = split.keep(f"decontaminate={held}").write(tmp_path / "kept")
    assert kept.card.problems == 10 and not left_over(tmp_path)


def test_an_error_leaves_nothing(split: Corpus, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no chain is left"):
        split.keep("right", "wrong").write(tmp_path / "kept")
    with pytest.raises(UsageError, match="no log-probability"):
        split.keep("per-problem=1:likely").write(tmp_path / "kept")
    assert not left_over(tmp_path) and not (tmp_path / "kept").exists()


@pytest.mark.parametrize("count", [-1, 5_000])
def test_a_number_of_buckets_that_no_corpus_has_is_refused(count: int, whole: Corpus, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"`{count}` buckets"):
        whole.write(tmp_path / "split", buckets=count)
    assert not left_over(tmp_path)


def test_a_filter_of_this_process_is_not_sent_to_workers(split: Corpus, tmp_path: Path) -> None:
    view = split.keep(load_filter("right"))
    assert view.write(tmp_path / "here").card.chains
    with open_workers(2) as workers, pytest.raises(UsageError, match="of this process alone"):
        view.write(tmp_path / "there", workers=workers)


def test_a_card_whose_buckets_are_others_is_told(split: Corpus, tmp_path: Path) -> None:
    card = msgspec.json.decode((split.path / "card.json").read_bytes())
    card["buckets"][0]["chains"] += 1
    (split.path / "card.json").write_bytes(msgspec.json.encode(card))
    with pytest.raises(UsageError, match=r"bucket 0 holds .* but its card says"):
        open_corpus(split.path).keep("right").write(tmp_path / "kept")


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_names_the_part_it_was_in(jobs: int, split: Corpus, tmp_path: Path) -> None:
    last = sorted(split.path.glob("part-*.parquet"))[-1]
    body = last.read_bytes()
    last.write_bytes(body[:4] + bytes(len(body) // 2) + body[4 + len(body) // 2 :])
    with open_workers(jobs) as workers, pytest.raises(UsageError, match=rf"{last.name}.*\(on `bucket {BUCKETS - 1}`\)"):
        split.keep("right").write(tmp_path / "kept", workers=workers)
    assert not left_over(tmp_path) and not (tmp_path / "kept").exists()


def test_a_split_corpus_is_split_otherwise(split: Corpus, tmp_path: Path) -> None:
    other = split.write(tmp_path / "other", buckets=3)
    assert len(other.card.buckets) == 3 and sorted_chains(other) == sorted_chains(split)
