"""Lines of a jsonl file in batches, for workers that read what they hold."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from stepdown.exchange.json_streams import Progress, read_lines, row_of_line
from stepdown.tabular import Row

# Bytes of a batch: what a worker holds at once, and each message to it.
SIZE = 1 << 22


class LineBatch(msgspec.Struct, frozen=True):
    """Some lines of a file with their numbers, from 1; `index` is how many lines with an object came before."""

    path: Path
    index: int
    numbers: list[int]
    lines: list[bytes]

    def __str__(self) -> str:
        return f"lines {self.numbers[0]:,} to {self.numbers[-1]:,}"

    def rows(self) -> Iterator[Row]:
        """Read the lines; raise `BadRow` at the first that is no JSON object."""
        for number, line in zip(self.numbers, self.lines, strict=True):
            yield row_of_line(self.path, number, line)


def batches(path: Path, *, size: int | None = None, progress: Progress | None = None) -> Iterator[LineBatch]:
    """Stream the lines of a file that `is_lines`, blank ones left out."""
    index = waiting = 0
    numbers, lines = list[int](), list[bytes]()
    for number, line in read_lines(path, progress=progress):
        numbers.append(number)
        lines.append(line)
        waiting += len(line)
        if waiting >= (size or SIZE):
            yield LineBatch(path, index, numbers, lines)
            index, waiting, numbers, lines = index + len(lines), 0, [], []
    if lines:
        yield LineBatch(path, index, numbers, lines)
