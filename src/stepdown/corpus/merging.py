"""The corpora of shards joined into the one that would have been written at once."""

import re
from array import array
from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import pairwise
from operator import itemgetter
from pathlib import Path

import msgspec

from stepdown.corpus.buckets import FilledBucket, assemble, fill, parts_by_bucket, tables_of_groups
from stepdown.corpus.card import Card, Selection
from stepdown.corpus.folder import CorpusWriter, check_out
from stepdown.corpus.lineages import carry_lineages
from stepdown.corpus.problem_tables import tables_of
from stepdown.corpus.selection import ChainTable
from stepdown.corpus.shard_places import ShardPlaces, note_of, read_places
from stepdown.corpus.views import Corpus, Progress, open_corpus, open_shard
from stepdown.errors import UsageError
from stepdown.files import replacing_folder
from stepdown.questions import NONE, Keys
from stepdown.types import Chain

# What all shards of one corpus have alike.
_ALIKE = (
    "content",
    "dataset",
    "origin",
    "method",
    "prompt_set",
    "prompts",
    "sampling",
    "licence",
    "edits",
    "kept_from",
)
_COUNTED = re.compile(r"([\d,]+) (.*)", re.DOTALL)
Part = tuple[Corpus, ShardPlaces]


def merge_corpora(
    sources: Sequence[Path], out: Path, *, force: bool = False, progress: Progress | None = None
) -> Corpus:
    """Join the corpora of all shards, in the order of the whole: its rows, and so its fingerprint, are those that one
    command without `--shard` writes.

    `progress` gets the rows written and all there are. Raises `UsageError` where one is no shard, is missing, is there
    twice or was made otherwise than the others; then nothing is written.
    """
    parts = _checked([_opened(path) for path in dict.fromkeys(one.resolve() for one in sources)])
    counter = _RowCounter(sum(corpus.card.chains for corpus, _ in parts), progress)
    behind = NONE.union(*(corpus.behind for corpus, _ in parts))
    if parts[0][0].card.buckets:
        _join_split(parts, out, force=force, behind=behind, counter=counter)
        return open_corpus(out)
    with CorpusWriter(out, card=_joined(parts), force=force, behind=behind) as writer:
        carry_lineages([corpus.path for corpus, _ in parts], writer.folder)
        for table in _in_order([(places.places, corpus.groups()) for corpus, places in parts if corpus.card.chains]):
            writer.add_table(table)
            counter.count(table)
    return open_corpus(out)


class _RowCounter:
    """Counts the rows that are written for a progress."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._total, self._progress, self._done = total, progress, 0

    def count(self, table: ChainTable) -> None:
        self._done += len(table)
        if self._progress is not None:
            self._progress(self._done, self._total)


def _join_split(parts: Sequence[Part], out: Path, *, force: bool, behind: Keys, counter: _RowCounter) -> None:
    """Join the shards of a split corpus bucket by bucket, as no problem lies in another one in the whole."""
    target, made = out.expanduser().resolve(), list[FilledBucket]()
    check_out(target, force=force)
    files = [parts_by_bucket(corpus.path, corpus.card) if corpus.card.chains else [] for corpus, _ in parts]
    done = [0] * len(parts)
    with replacing_folder(target) as folder:
        carry_lineages([corpus.path for corpus, _ in parts], folder)
        for number in range(len(parts[0][0].card.buckets)):
            rows = []
            for at, (corpus, places) in enumerate(parts):
                count = corpus.card.buckets[number].problems
                if count:
                    groups = (group for table in tables_of(files[at][number]) for group in table.groups())
                    rows.append((places.places[done[at] : done[at] + count], groups))
                    done[at] += count
            made.append(fill(folder, number, _counted(_in_order(rows), counter)))
        assemble(folder, _joined(parts), made, behind)


def _counted(tables: Iterator[ChainTable], counter: _RowCounter) -> Iterator[ChainTable]:
    for table in tables:
        counter.count(table)
        yield table


def _in_order(parts: Sequence[tuple["array[int]", Iterator[list[Chain]]]]) -> Iterator[ChainTable]:
    """Stream the chains of several shards in the order of the places of their problems."""
    placed = merge(*(zip(places, groups, strict=True) for places, groups in parts), key=itemgetter(0))
    yield from tables_of_groups(group for _, group in placed)


def _opened(path: Path) -> Part:
    corpus = open_shard(path)
    places = read_places(path)
    if places is None:
        raise UsageError(
            f"`{path}` is not a shard of a corpus",
            "join what `sample --shard` and `keep --shard` wrote; then filter it",
        )
    if len(places.places) != corpus.card.problems:
        raise UsageError(f"`{path}` has places for other problems than its own", "copy the folder again, whole")
    return corpus, places


def _checked(parts: list[Part]) -> list[Part]:
    """Return the shards by number. Raises `UsageError` where they are not all of one cut of one corpus."""
    parts.sort(key=lambda part: part[1].shard)
    first, there = parts[0]
    for (before, seen), (corpus, places) in pairwise(parts):
        if places.shard.of != there.shard.of:
            raise UsageError(
                f"`{first.path}` is shard {there.shard} and `{corpus.path}` {places.shard}: parts of different cuts",
                "give all shards of one cut",
            )
        if places.shard == seen.shard:
            raise UsageError(f"`{before.path}` and `{corpus.path}` are both shard {places.shard}", "give one of them")
        for name in _ALIKE:
            one, other = getattr(first.card, name), getattr(corpus.card, name)
            if one != other:
                raise UsageError(
                    f"`{first.path}` and `{corpus.path}` differ in `{name}`: `{one}` and `{other}`",
                    "make all shards by the same command from the same data",
                )
        if len(first.card.buckets) != len(corpus.card.buckets):
            raise UsageError(
                f"`{first.path}` has {len(first.card.buckets)} buckets and `{corpus.path}` {len(corpus.card.buckets)}",
                "make all shards by the same command from the same data",
            )
        if [(one.filter, one.seed) for one in first.card.selection] != [
            (one.filter, one.seed) for one in corpus.card.selection
        ]:
            raise UsageError(f"`{first.path}` and `{corpus.path}` were kept by different filters", "give the same ones")
    if sum(places.problems for _, places in parts) != there.total:
        here = {places.shard.number for _, places in parts}
        missing = [f"{number}/{there.shard.of}" for number in range(1, there.shard.of + 1) if number not in here]
        raise UsageError(
            f"{len(parts)} of {there.shard.of} shards are given: {', '.join(missing[:10])} missing",
            "give all of them; one that holds no problem may be left out",
        )
    return parts


def _joined(parts: Sequence[Part]) -> Card:
    """Return the card of the whole: what is alike, and what each shard counted, added up."""
    cards = [corpus.card for corpus, _ in parts]
    before, first = parts[0][1].selections, cards[0]
    counted = [_added(parts, at) for at in range(before, len(first.selection))]
    return msgspec.structs.replace(
        first,
        versions=tuple(sorted({one for card in cards for one in card.versions})),
        notes=_notes(parts),
        selection=(*first.selection[:before], *counted),
    )


def _added(parts: Sequence[Part], at: int) -> Selection:
    """Return what the filter at a place kept of all shards."""
    some = [corpus.card.selection[at] for corpus, _ in parts]
    alike = len({one.report for one in some}) == 1
    reports = [f"shard {places.shard}: {one.report}" for (_, places), one in zip(parts, some, strict=True)]
    return msgspec.structs.replace(
        some[0],
        chains_in=sum(one.chains_in for one in some),
        chains_kept=sum(one.chains_kept for one in some),
        problems_in=sum(one.problems_in for one in some),
        problems_kept=sum(one.problems_kept for one in some),
        report=some[0].report if alike else "\n".join(reports),
    )


def _notes(parts: Sequence[Part]) -> tuple[str, ...]:
    """Return the notes of the whole. A count at the head of one is of the shard that was sampled, and is added up;
    what was kept from a corpus has that one's notes.
    """
    own = [[note for note in corpus.card.notes if note != note_of(places.shard)] for corpus, places in parts]
    if parts[0][0].card.kept_from:
        return tuple(own[0])
    sums: dict[str, int | None] = {}
    for note in (note for notes in own for note in notes):
        found = _COUNTED.fullmatch(note)
        if found is None:
            sums.setdefault(note, None)
        else:
            sums[found[2]] = (sums.get(found[2]) or 0) + int(found[1].replace(",", ""))
    return tuple(note if number is None else f"{number} {note}" for note, number in sums.items())
