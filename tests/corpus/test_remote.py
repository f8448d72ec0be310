"""Corpora and files in object stores: copied here and back whole, and told plainly where they cannot be."""

from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem

from corpora import nine_problems
from object_server import object_server
from stepdown.cli import main
from stepdown.corpus import Card, Corpus, CorpusWriter, open_corpus
from stepdown.errors import MissingExtra, UsageError
from stepdown.exchange import import_corpus
from stepdown.object_stores import _fetch, address_of


@pytest.fixture(scope="module")
def server() -> Iterator[dict[str, str]]:
    with object_server() as environment:
        yield environment


@pytest.fixture
def store(
    server: dict[str, str], request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """Give the address of an empty bucket of a test's own."""
    for name, value in (server | {"STEPDOWN_CACHE": str(tmp_path / "cache")}).items():
        monkeypatch.setenv(name, value)
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    bucket = f"b{abs(hash(request.node.name)) % 10**9}"
    fsspec.filesystem("s3").mkdir(bucket)
    return f"s3://{bucket}"


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return nine_problems(tmp_path / "here")


def names(address: str) -> list[str]:
    listed = fsspec.filesystem("s3", use_listings_cache=False).find(address)
    return sorted(name.rpartition("/")[2] for name in listed)


def test_a_path_that_was_an_address_is_one_again() -> None:
    assert address_of(Path("s3://bucket/some/corpus/")) == "s3://bucket/some/corpus"
    assert address_of("hf://datasets/me/x") and address_of("here/s3") is address_of("C:/s3") is None


@pytest.mark.slow
@pytest.mark.parametrize("buckets", [0, 3])
def test_a_corpus_goes_into_a_store_and_comes_back(buckets: int, corpus: Corpus, store: str) -> None:
    there = corpus.keep("right").write(f"{store}/kept", buckets=buckets)
    assert there.address == f"{store}/kept" and "card.json" in names(f"{store}/kept")
    again = open_corpus(f"{store}/kept").keep("all").write(f"{store}/again")
    assert len(list(again)) == again.card.chains == 4 and len(again.card.buckets) == buckets


@pytest.mark.slow
def test_commands_take_addresses(corpus: Corpus, store: str, capsys: pytest.CaptureFixture[str]) -> None:
    line = '{"question": "What is 2?", "answer": "2", "chains": [{"text": "2", "correct": true, "pred": "2"}]}\n'
    fsspec.filesystem("s3").pipe(f"{store}/made_train.jsonl", line.encode())
    assert main(["import", f"{store}/made_train.jsonl", "--out", f"{store}/pool"]) == 0
    assert main(["keep", f"{store}/pool", "right", "--out", f"{store}/kept"]) == 0
    assert f"{store}/kept: 1 chain" in capsys.readouterr().out
    assert main(["keep", f"{store}/pool", "right", "--out", f"{store}/kept"]) == 2
    assert "is there already" in capsys.readouterr().err


@pytest.mark.slow
def test_what_cannot_be_reached_is_told_and_nothing_is_written(
    corpus: Corpus, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="bucket does not exist"):
        corpus.write("s3://nowhere-at-all/kept")
    with pytest.raises(UsageError, match=r"no corpus: it has no `card.json`"):
        open_corpus(f"{store}/none")
    with pytest.raises(UsageError, match=r"cannot read `s3://.*/none.jsonl`"):
        import_corpus(f"{store}/none.jsonl", tmp_path / "out")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    with pytest.raises(UsageError, match="credentials"):
        open_corpus(f"{store}/kept")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_folder_without_a_card_is_written_anew_and_one_of_others_is_not(corpus: Corpus, store: str) -> None:
    files = fsspec.filesystem("s3")
    files.pipe(f"{store}/cut/part-00007.parquet", b"left by a kill")
    corpus.write(f"{store}/cut")
    assert open_corpus(f"{store}/cut").card.chains == 9 and "part-00007.parquet" not in names(f"{store}/cut")
    files.pipe(f"{store}/mine/diary.txt", b"keep")
    with pytest.raises(UsageError, match=r"holds `diary.txt` and is no corpus"):
        corpus.write(f"{store}/mine", force=True)


class LongStore(LocalFileSystem):  # type: ignore[misc]
    """A store that names more bytes than come."""

    def info(self, path: str, **_: object) -> dict[str, object]:
        return {**super().info(path), "size": 99}


def test_a_remote_file_that_ends_early_is_told(tmp_path: Path) -> None:
    (tmp_path / "far.jsonl").write_text("{}")
    with pytest.raises(UsageError, match="ended early: 2 of 99 bytes"):
        _fetch(LongStore(), str(tmp_path / "far.jsonl"), "s3://b/far.jsonl", tmp_path / "near.jsonl")
    assert [path.name for path in tmp_path.iterdir()] == ["far.jsonl"]


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stepdown.object_stores.has", lambda module: module != "s3fs")
    with pytest.raises(MissingExtra, match=r"needs `s3fs`") as caught:
        open_corpus("s3://bucket/corpus")
    assert "stepdown[cloud]" in caught.value.hint


def test_a_writer_of_folders_takes_no_address() -> None:
    with pytest.raises(UsageError, match="is an address: this command writes a folder"):
        CorpusWriter("s3://bucket/corpus", card=Card(dataset="made"))
