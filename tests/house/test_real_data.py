"""Published files are the ones they were: fetched by their hash, and left out where they are not here."""

import csv
from hashlib import sha256
from pathlib import Path

import pytest

from places import DATA
from raw_server import http, raw_server
from real_data import FILES, TRACES, Published, fetch


def test_a_file_is_fetched_only_if_it_is_the_one_that_is_named(tmp_path: Path) -> None:
    content = b'{"question": "1 + 1?"}\n'
    with raw_server(http(content), http(content + b"\n")) as server:
        published = Published(sha256(content).hexdigest(), server.url)
        assert fetch("a/b.jsonl", published, tmp_path).read_bytes() == content
        with pytest.raises(ValueError, match="gives another file: its SHA-256 is"):
            fetch("a/c.jsonl", published, tmp_path)
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.jsonl"]


def test_every_released_file_of_traces_has_200_verdicts_and_an_address() -> None:
    with (DATA / "verdicts.csv").open(newline="") as file:
        rows = [(row["file"], int(row["row"])) for row in csv.DictReader(file)]
    assert sorted(rows) == [(name.partition("/")[2], at) for name in TRACES for at in range(200)]
    assert all(FILES[name].url.startswith("https://") for name in TRACES)
