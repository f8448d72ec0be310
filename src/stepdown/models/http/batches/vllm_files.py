"""vLLM's `run-batch`: a file of requests for whoever has the cards, and the file of answers that they bring back.

Source: https://docs.vllm.ai/en/latest/examples/offline_inference/openai_batch.html
"""

import shlex
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec

from stepdown.files import replacing
from stepdown.models.http.batches.batch_api import BatchAnswer, BatchLimits, BatchLook, BatchRequest
from stepdown.models.http.batches.openai_batches import read_line
from stepdown.models.http.bodies import MOST_BYTES
from stepdown.models.http.endpoints import Endpoint


class VllmFiles:
    """Files in a folder: `ID.jsonl` for vLLM to read, `ID.out.jsonl` which it writes. Nothing is sent anywhere."""

    limits = BatchLimits(requests=1_000_000, size=4_000_000_000)

    def __init__(self, endpoint: Endpoint, folder: Path) -> None:
        self.endpoint, self.folder = endpoint, folder

    def _input(self, batch: str) -> Path:
        return self.folder / f"{batch}.jsonl"

    def _output(self, batch: str) -> Path:
        return self.folder / f"{batch}.out.jsonl"

    async def submit(self, batch: str, requests: Sequence[BatchRequest]) -> str:
        """Write the requests."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with replacing(self._input(batch), True) as path, path.open("wb") as file:
            for one in requests:
                name = msgspec.json.encode(one.name)
                file.write(b'{"custom_id":%b,"method":"POST","url":"/v1/chat/completions","body":%b}\n'
                           % (name, one.body))  # fmt: skip
        return batch

    async def find(self, batch: str, since: float, requests: int) -> str | None:
        """Return our id where the file is there."""
        return batch if self._input(batch).exists() else ""

    async def look(self, remote: str) -> BatchLook | None:
        """Return whether the answers have come: as many lines as were asked for, or any once it was cancelled."""
        if not self._input(remote).exists():
            there = self._output(remote).exists()
            return BatchLook(over=True, note="cancelled") if there else None
        asked = _lines(self._input(remote))
        statuses = [answer.status async for answer in self.answers(remote)]
        over, answered = len(statuses) >= asked, statuses.count(200)
        files = ["-i", str(self._input(remote)), "-o", str(self._output(remote))]
        command = shlex.join(["vllm", "run-batch", *files, "--model", self.endpoint.model])
        return BatchLook(over, "completed" if over else command, answered, len(statuses) - answered)

    async def answers(self, remote: str) -> AsyncIterator[BatchAnswer]:
        """Stream the lines of the answers."""
        if self._output(remote).exists():
            with self._output(remote).open("rb") as file:
                too_long = False
                while line := file.readline(MOST_BYTES):
                    before, too_long = too_long, not line.endswith(b"\n") and len(line) == MOST_BYTES
                    if not (before or too_long) and (answer := read_line(line)) is not None:
                        yield answer

    async def cancel(self, remote: str) -> None:
        """Take the requests away; answers that are there are taken up."""
        self._output(remote).touch()
        self._input(remote).unlink(missing_ok=True)

    async def close(self) -> None:
        """Do nothing: files were closed when they were read."""


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for line in file if line.strip())
