"""Benchmarks from the hub, against the small local stand-in."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from small_hub import SmallHub, small_hub
from stepdown.errors import UsageError
from stepdown.problems import load_problems
from stepdown.problems.loading import BENCHMARKS

polars = pytest.importorskip("polars")
pytest.importorskip("huggingface_hub")

CHOICES = {"label": ["A", "B", "C", "D"], "text": ["sun", "moon", "rain", "snow"]}
ROWS: dict[str, list[dict[str, Any]]] = {
    "gsm8k": [{"question": "Two and two?", "answer": "2 + 2 = <<2+2=4>>4\n#### 4"}],
    "math": [{"problem": "What is $1+1$?", "level": "Level 1", "type": "Algebra", "solution": "It is $\\boxed{2}$."}],
    "commonsenseqa": [{"id": "ab1", "question": "What shines?", "choices": CHOICES, "answerKey": "A"}],
    "openbookqa": [{"id": "7-9", "question_stem": "At night there is", "choices": CHOICES, "answerKey": "B"}],
    "quarel": [{"id": "Q1", "question": "Ice has (A) more grip (B) less grip.", "answer_index": 1}],
    "svamp": [{"ID": "chal-1", "Body": "Al has 3 hats.", "Question": "How many?", "Answer": "3.0", "Equation": "3"}],
}


def parquet(rows: list[dict[str, Any]]) -> bytes:
    out = BytesIO()
    polars.DataFrame(rows).write_parquet(out)
    return out.getvalue()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallHub]:
    files = {}
    for name, rows in ROWS.items():
        where = BENCHMARKS[name].hub
        split = BENCHMARKS[name].about.splits[0]
        files.update({(where.repo, where.revision, file): parquet(rows) for file in where.files[split]})
    with small_hub(files) as serving:
        monkeypatch.setenv("HF_ENDPOINT", serving.url)
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        yield serving


@pytest.mark.parametrize("name", sorted(ROWS))
def test_a_benchmark_is_read_from_its_pinned_parquet_files(name: str, hub: SmallHub) -> None:
    problems = load_problems(name)
    found = problems.check()
    assert found.count == len(BENCHMARKS[name].hub.files[BENCHMARKS[name].about.splits[0]])
    assert all(BENCHMARKS[name].hub.revision in path for path in hub.asked)
    assert problems[0].kind == BENCHMARKS[name].about.kind


def test_jsonl_files_on_the_hub_are_read_like_local_ones(tmp_path: Path, hub: SmallHub) -> None:
    where = BENCHMARKS["math500"].hub
    row = b'{"problem": "p", "solution": "s", "answer": "4", "unique_id": "test/algebra/7.json"}\n'
    hub.files[where.repo, where.revision, "test.jsonl"] = row
    assert [problem.id for problem in load_problems("math500")] == ["math500/test/algebra/7"]


def test_a_file_that_was_fetched_is_not_asked_for_again(hub: SmallHub) -> None:
    first = load_problems("gsm8k").check()
    asked = len(hub.asked)
    assert load_problems("gsm8k").check() == first
    assert len(hub.asked) == asked


def test_a_split_of_several_files_is_one_sequence_in_the_order_of_the_files(hub: SmallHub) -> None:
    ids = [problem.id for problem in load_problems("math", offset=5)]
    assert ids == ["math/test/5", "math/test/6"]


def test_nothing_is_fetched_before_problems_are_read(hub: SmallHub) -> None:
    load_problems("gsm8k")
    assert hub.asked == []


def test_a_file_the_hub_lacks_is_a_usage_error_with_a_way_out(hub: SmallHub) -> None:
    with pytest.raises(UsageError, match=r"did not give `neqa\.jsonl` of `inverse-scaling/NeQA`") as caught:
        load_problems("neqa").check()
    assert "--data" in str(caught.value)


def test_a_hub_that_cannot_be_reached_is_a_usage_error(hub: SmallHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UsageError, match="the hub did not give"):
        load_problems("gsm8k").check()


def test_every_revision_is_a_whole_commit_hash() -> None:
    for benchmark in BENCHMARKS.values():
        assert len(benchmark.hub.revision) == 40
        assert set(benchmark.hub.files) == set(benchmark.about.splits)
