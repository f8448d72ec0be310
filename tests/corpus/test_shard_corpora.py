"""Corpora of shards become the corpus that one machine would have written, row by row."""

from pathlib import Path

import pytest

from stepdown.cli import main
from stepdown.corpus import Card, Corpus, CorpusWriter, merge_corpora, open_corpus
from stepdown.corpus.shard_places import PLACES
from stepdown.errors import CallFailed, UsageError
from stepdown.models import ScriptedModel
from stepdown.shards import Shard
from stepdown.store import Store
from stepdown.training import sample
from stepdown.types import Chain, Grade, Messages, Problem, Sampling
from worlds import sums

COUNT = 20
SHARDS = [Shard(number, 3) for number in (1, 2, 3)]
FILTERS = ("right", "distinct", "per-problem=2", "open-ended")


def speak(messages: Messages, sampling: Sampling, draw: int) -> str:
    number = messages[-1].content.rpartition("What is ")[2].split()[0]
    return f"Take {number} {'and ' * draw}add one.\nAnswer: {int(number) + (draw != 1)}"


def sampled(folder: Path, name: str, shard: Shard | None = None) -> Corpus:
    with Store(folder / f"{name}.sqlite") as store:
        return sample(
            sums(COUNT), teacher=ScriptedModel(speak, "teacher"), out=folder / name, chains=4, store=store,
            allow=("test",), shard=shard,
        )  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the whole corpus, `whole`, and those of the shards, `part1` to `part3`."""
    folder = tmp_path_factory.mktemp("corpora")
    sampled(folder, "whole")
    for shard in SHARDS:
        sampled(folder, f"part{shard.number}", shard)
    return folder


def parts(folder: Path, name: str = "part") -> list[Path]:
    return [folder / f"{name}{shard.number}" for shard in SHARDS]


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_sampled_shards_become_the_corpus_of_one_machine_byte_by_byte(world: Path, tmp_path: Path) -> None:
    merge_corpora(parts(world)[::-1], tmp_path / "joined")
    assert files(tmp_path / "joined") == files(world / "whole") and PLACES not in files(world / "whole")
    sizes = [open_corpus(path).card.problems for path in parts(world)]
    assert sum(sizes) == COUNT and min(sizes) > 0


def test_kept_shards_become_the_selection_of_one_machine_byte_by_byte(world: Path, tmp_path: Path) -> None:
    view = open_corpus(world / "whole").keep(*FILTERS)
    view.write(tmp_path / "whole")
    for shard in SHARDS:
        view.write(tmp_path / f"kept{shard.number}", shard=shard)
    merge_corpora(parts(tmp_path, "kept"), tmp_path / "joined")
    assert files(tmp_path / "joined") == files(tmp_path / "whole")
    assert len(open_corpus(tmp_path / "joined").card.selection) == len(FILTERS)


def test_the_command_line_cuts_a_selection_and_joins_it(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for shard in SHARDS:
        out = str(tmp_path / f"kept{shard.number}")
        assert main(["keep", str(world / "whole"), "right", "--shard", str(shard), "--out", out]) == 0
    assert main(["store", "merge", *map(str, parts(tmp_path, "kept")), "--into", str(tmp_path / "all"), "--json"]) == 0
    assert '"corpus"' in capsys.readouterr().out
    assert open_corpus(tmp_path / "all").card.chains == 3 * COUNT
    assert "shard 1/3 of the problems" in (tmp_path / "kept1" / "README.md").read_text()


def test_draws_that_failed_are_counted_over_all_shards(tmp_path: Path) -> None:
    def failing(messages: Messages, sampling: Sampling, draw: int) -> str:
        if " 3 plus" in messages[-1].content or " 4 plus" in messages[-1].content:
            raise CallFailed("no answer")
        return speak(messages, sampling, draw)

    def write(name: str, shard: Shard | None = None) -> None:
        with Store(tmp_path / f"{name}.sqlite") as store:
            sample(
                sums(8), teacher=ScriptedModel(failing, "teacher"), out=tmp_path / name, chains=2, store=store,
                allow=("test",), shard=shard,
            )  # fmt: skip

    write("whole")
    for shard in SHARDS:
        write(f"part{shard.number}", shard)
    merge_corpora(parts(tmp_path), tmp_path / "joined")
    assert open_corpus(tmp_path / "whole").card.notes == ("4 draws failed and are left out",)
    assert files(tmp_path / "joined") == files(tmp_path / "whole")


def refused(sources: list[Path], out: Path) -> str:
    with pytest.raises(UsageError) as why:
        merge_corpora(sources, out)
    assert not out.exists()
    return str(why.value)


def test_shards_that_are_missing_twice_there_or_of_another_cut_are_refused(world: Path, tmp_path: Path) -> None:
    one, two, three = parts(world)
    assert "2 of 3 shards are given: 2/3 missing" in refused([one, three], tmp_path / "out")
    sampled(tmp_path, "half", Shard(2, 2))
    assert "parts of different cuts" in refused([one, tmp_path / "half"], tmp_path / "out")
    sampled(tmp_path, "again", Shard(2, 3))
    assert "are both shard 2/3" in refused([one, two, three, tmp_path / "again"], tmp_path / "out")
    assert "is not a shard of a corpus" in refused([one, world / "whole"], tmp_path / "out")


def test_shards_of_other_settings_or_filters_are_refused(world: Path, tmp_path: Path) -> None:
    view = open_corpus(world / "whole")
    kept = [tmp_path / "a", tmp_path / "b"]
    for path, shard, name in zip(kept, (Shard(1, 2), Shard(2, 2)), ("right", "wrong"), strict=True):
        view.keep(name).write(path, shard=shard)
    assert "kept by different filters" in refused(kept, tmp_path / "out")
    view.keep("right").write(tmp_path / "b", shard=Shard(2, 2), force=True)
    (tmp_path / "b" / "card.json").write_bytes(
        (tmp_path / "b" / "card.json").read_bytes().replace(b'"licence": ""', b'"licence": "other"')
    )
    assert "differ in `licence`: `` and `other`" in refused(kept, tmp_path / "out")


def test_a_shard_is_not_cut_again_and_none_without_problems_is_sampled(world: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is shard 1/3 of a corpus"):
        open_corpus(parts(world)[0]).keep("all").write(tmp_path / "out", shard=Shard(1, 2))
    empty = next(shard for number in range(1, 200) if not any(map((shard := Shard(number, 199)).holds, sums(COUNT))))
    with pytest.raises(UsageError, match=f"shard {empty} holds none of the {COUNT} problems"):
        sampled(tmp_path, "none", empty)
    assert not (tmp_path / "out").exists() and not (tmp_path / "none").exists()


MANY = [Shard(number, 31) for number in range(1, 32)]


def test_kept_shards_that_hold_nothing_are_empty_corpora_that_join(world: Path, tmp_path: Path) -> None:
    view = open_corpus(world / "whole").keep("right", "per-problem=2")
    kept = [view.write(tmp_path / f"{shard.number}", shard=shard) for shard in MANY]
    empty = [one.path for one in kept if not one.card.chains]
    assert 1 < len(empty) < len(MANY)
    with pytest.raises(UsageError, match="of a corpus and holds no chain"):
        open_corpus(empty[0])
    assert f"{len(empty)} of 31 shards are given" in refused(empty, tmp_path / "out")
    merge_corpora([one.path for one in kept], tmp_path / "joined")
    assert files(tmp_path / "joined") == files(view.write(tmp_path / "all").path)


@pytest.mark.parametrize(("before", "buckets"), [(6, 0), (0, 4), (6, 4)])
def test_kept_shards_of_a_split_corpus_become_the_split_selection_byte_by_byte(
    before: int, buckets: int, world: Path, tmp_path: Path
) -> None:
    source = open_corpus(world / "whole").write(tmp_path / "source", buckets=before)
    view = source.keep(*FILTERS)
    for number in range(1, 5):
        view.write(tmp_path / f"part{number}", shard=Shard(number, 4), buckets=buckets)
    merge_corpora([tmp_path / f"part{number}" for number in range(1, 5)], tmp_path / "joined")
    assert files(tmp_path / "joined") == files(view.write(tmp_path / "all", buckets=buckets).path)
    assert len(open_corpus(tmp_path / "joined").card.buckets) == (buckets or before)


@pytest.mark.slow
def test_a_shard_is_kept_by_workers_to_the_same_bytes(world: Path, tmp_path: Path) -> None:
    split = str(open_corpus(world / "whole").write(tmp_path / "split", buckets=4).path)
    for jobs in ("1", "2"):
        words = ["right", "--shard", "2/3", "--jobs", jobs, "--out", str(tmp_path / f"by {jobs}")]
        assert main(["keep", split, *words]) == 0
    assert files(tmp_path / "by 1") == files(tmp_path / "by 2") and PLACES in files(tmp_path / "by 1")


def test_shards_of_other_splits_are_refused(world: Path, tmp_path: Path) -> None:
    view = open_corpus(world / "whole").keep("right")
    for number, buckets in ((1, 3), (2, 4)):
        view.write(tmp_path / f"{number}", shard=Shard(number, 2), buckets=buckets)
    assert "has 3 buckets and" in refused([tmp_path / "1", tmp_path / "2"], tmp_path / "out")


def test_a_broken_file_of_places_is_refused(tmp_path: Path) -> None:
    card = Card(dataset="d")
    with CorpusWriter(tmp_path / "odd", card=card) as writer:
        writer.add(Chain(Problem("p", "What?", "1"), "1", "t", grade=Grade("right")))
    (tmp_path / "odd" / PLACES).write_bytes(b"\0" * 41)
    assert "is cut off" in refused([tmp_path / "odd"], tmp_path / "out")
    (tmp_path / "odd" / PLACES).write_bytes((1).to_bytes(8, "big") * 7)
    assert "places for other problems" in refused([tmp_path / "odd"], tmp_path / "out")
