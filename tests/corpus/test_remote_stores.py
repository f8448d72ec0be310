"""Corpora in Google's object store and on the Hugging Face hub, by their libraries against stand-ins on loopback."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import small_bucket
import written_hub
from corpora import nine_problems
from loopback_server import serving
from stepdown.corpus import Corpus, open_corpus
from stepdown.corpus.shard_places import PLACES
from stepdown.errors import UsageError
from stepdown.exchange import import_corpus
from stepdown.shards import Shard

pytestmark = pytest.mark.slow
LINE = b'{"question": "What is 2?", "answer": "2", "chains": [{"text": "2", "correct": true, "pred": "2"}]}\n'
Store = tuple[str, dict[str, bytes]]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """Google's library speaks to an emulator where one is named; what else it can do asks for credentials first."""
    monkeypatch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
    pytest.importorskip("gcsfs")
    found = small_bucket.SmallBucket()
    with serving(small_bucket.handler_for(found)) as url:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
        yield f"gs://{small_bucket.BUCKET}", found.objects


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """The hub's library keeps its address from when it was loaded."""
    constants = pytest.importorskip("huggingface_hub").constants
    found = written_hub.WrittenHub()
    with serving(written_hub.handler_for(found)) as found.url:
        monkeypatch.setattr(constants, "ENDPOINT", found.url)
        pattern = f"{found.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", pattern)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        yield f"hf://datasets/{written_hub.REPO}", found.files


@pytest.fixture(params=["bucket", "hub"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("STEPDOWN_CACHE", str(tmp_path / "cache"))
    found: Store = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return nine_problems(tmp_path / "here")


def test_a_corpus_goes_there_and_comes_back_and_is_replaced_by_force_alone(corpus: Corpus, store: Store) -> None:
    address, files = store
    corpus.keep("right").write(f"{address}/some/kept", buckets=3)
    again = open_corpus(f"{address}/some/kept").keep("all").write(f"{address}/again")
    assert again.card.chains == len(list(again)) == 4 and "again/card.json" in files
    with pytest.raises(UsageError, match="is there already"):
        corpus.write(f"{address}/again")
    corpus.write(f"{address}/again", force=True)
    assert open_corpus(f"{address}/again").card.chains == 9 and "again/part-00001.parquet" not in files


def test_a_shard_of_which_nothing_is_kept_is_an_empty_corpus_there_too(corpus: Corpus, store: Store) -> None:
    address, files = store
    kept = [corpus.keep("right").write(f"{address}/{at}", shard=Shard(at, 9)).card.chains for at in range(1, 10)]
    assert sum(kept) == 4 and 0 in kept
    assert all({f"{at}/card.json", f"{at}/{PLACES}"} <= files.keys() for at in range(1, 10))
    assert corpus.write(f"{address}/1", shard=Shard(1, 1), force=True).card.chains == 9


def test_a_file_there_becomes_a_corpus_there(store: Store) -> None:
    address, files = store
    files["some/made_train.jsonl"] = LINE
    assert import_corpus(f"{address}/some/made_train.jsonl", f"{address}/pool").card.chains == 1
    assert {name for name in files if name.startswith("pool/")} >= {"pool/card.json", "pool/part-00000.parquet"}


def test_what_is_not_there_is_told(corpus: Corpus, store: Store, tmp_path: Path) -> None:
    address, files = store
    with pytest.raises(UsageError, match=r"no corpus: it has no `card.json`|cannot list"):
        open_corpus(f"{address}/none")
    with pytest.raises(UsageError, match=r"cannot read `.*none.jsonl`"):
        import_corpus(f"{address}/none.jsonl", tmp_path / "out")
    with pytest.raises(UsageError, match="cannot list"):
        corpus.write(f"{address.rpartition('made')[0]}elsewhere/kept")
    files["mine/diary.txt"] = b"keep"
    with pytest.raises(UsageError, match=r"holds `diary.txt` and is no corpus"):
        corpus.write(f"{address}/mine", force=True)
