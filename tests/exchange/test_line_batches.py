"""Files of chains are read in batches of lines, by any number of workers: the same corpus, and the same faults."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from stepdown.corpus import open_corpus
from stepdown.errors import BadRow
from stepdown.exchange import import_corpus
from stepdown.exchange.line_batches import batches
from stepdown.workers import open_workers


def pool_line(number: int, **changed: object) -> str:
    chains = [{"text": f"It is {number + at}.", "correct": not at, "pred": number + at} for at in range(3)]
    return json.dumps({"question": f"What is {number}?", "answer": str(number), "chains": chains} | changed)


def pool(folder: Path, *lines: str) -> Path:
    (folder / "made_train.jsonl").write_text("\n".join(lines))
    return folder / "made_train.jsonl"


def chat_line(number: int) -> str:
    turns = [("user", f"What is {number % 30}?"), ("assistant", f"It is {number}")]
    messages = [{"role": role, "content": content} for role, content in turns]
    return json.dumps({"messages": messages, "answer": str(number % 30)})


def test_batches_hold_all_lines_but_blank_ones_with_their_numbers(tmp_path: Path) -> None:
    path = pool(tmp_path, "\ufeff", pool_line(1), "", "  ", pool_line(2), pool_line(3))
    small = list(batches(path, size=1))
    assert [(batch.index, batch.numbers) for batch in small] == [(0, [2]), (1, [5]), (2, [6])]
    assert str(next(batches(path))) == "lines 2 to 6" and [row.line for row in next(batches(path)).rows()] == [2, 5, 6]


@pytest.mark.parametrize("wrong", ['{"question": ', pool_line(9, answer=""), pool_line(9, chains=[{"text": 3}])])
def test_a_bad_line_is_named_and_nothing_is_written(wrong: str, tmp_path: Path) -> None:
    path = pool(tmp_path, pool_line(1), "", wrong)
    with pytest.raises(BadRow, match="3"):
        import_corpus(path, tmp_path / "out", buckets=2)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_an_id_that_comes_again_in_another_batch_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stepdown.exchange.line_batches.SIZE", 1)
    path = pool(tmp_path, pool_line(1, id="a"), pool_line(2, id="b"), pool_line(3, id="a"))
    with pytest.raises(BadRow, match="an id of its own, but `a` came before"):
        import_corpus(path, tmp_path / "out")


def test_a_gzip_file_that_ends_early_is_told(tmp_path: Path) -> None:
    body = gzip.compress("\n".join(map(pool_line, range(2_000))).encode())
    (tmp_path / "cut.jsonl.gz").write_bytes(body[: len(body) // 2])
    with pytest.raises(BadRow, match="a whole gzip file"):
        import_corpus(tmp_path / "cut.jsonl.gz", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("line", "buckets"), [(pool_line, 0), (pool_line, 4), (chat_line, 4)])
def test_any_number_of_workers_imports_the_same_bytes(line: Callable[[int], str], buckets: int, tmp_path: Path) -> None:
    path = pool(tmp_path, *map(line, range(200)))
    for jobs in (1, 2):
        with open_workers(jobs) as workers:
            import_corpus(path, tmp_path / f"by {jobs}", workers=workers, buckets=buckets)
    one, two = (sorted((tmp_path / f"by {jobs}").iterdir()) for jobs in (1, 2))
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]
    assert len(open_corpus(tmp_path / "by 2").card.buckets) == buckets


def test_half_of_a_surrogate_pair_becomes_a_question_mark(tmp_path: Path) -> None:
    line = pool_line(1).replace('"correct"', '"variant": "\\ud800", "correct"')
    corpus = import_corpus(pool(tmp_path, line), tmp_path / "out")
    assert {chain.variant for chain in corpus} == {"?"}
