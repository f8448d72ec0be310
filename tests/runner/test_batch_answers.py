"""What a batch brings is read without keeping more of it than is stored."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from stepdown.models import find_endpoint
from stepdown.models.http import BatchAnswer, find_batch_api
from stepdown.runner.batch_answers import Answers, BatchOutcomes
from stepdown.store import BatchedCall, Batches, Claims, Store
from stepdown.types import GREEDY, Message

BODY = 100_000
LINES = 20


def call(number: int) -> BatchedCall:
    return BatchedCall(bytes([number]) * 16, "openai/m", "at", (Message("user", "?"),), GREEDY, number, "run", 10, 5)


def test_the_bodies_of_lines_that_failed_are_not_kept_to_the_end_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    held = list[int]()

    async def failing() -> AsyncIterator[BatchAnswer]:
        for number in range(LINES):
            yield BatchAnswer(f"b1-{number}", 500, b'{"error": {"message": "' + b"x" * BODY + b'"}}')
            held.append(tracemalloc.get_traced_memory()[0])

    with Store(tmp_path / "s.sqlite") as store:
        batches = Batches(store, Claims(store))
        assert batches.begin("b1", [[call(number)] for number in range(LINES)], fits=lambda: True) == LINES
        api = find_batch_api(find_endpoint("openai/m"), tmp_path)
        assert api is not None
        outcomes = BatchOutcomes(batches)
        tracemalloc.start()
        try:
            assert asyncio.run(Answers(outcomes, batches.find("b1"), api).read(failing())) == 0
        finally:
            tracemalloc.stop()
        assert len(outcomes.tries) == LINES and max(held) - held[0] < 2 * BODY
