"""A corpus as programs see it: streamed, filtered lazily, and written out as another corpus."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from hashlib import blake2b
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

import msgspec

from stepdown.corpus.buckets import assemble, keep_into, sifted_tables
from stepdown.corpus.card import Card, Selection, read_card
from stepdown.corpus.folder import BEHIND, CorpusWriter, check_out, parts_of, questions_of, read_groups
from stepdown.corpus.lineages import carry_lineages
from stepdown.corpus.problem_tables import read_tables
from stepdown.corpus.remote import local_copy, write_remote
from stepdown.corpus.selection import ChainTable, Filter
from stepdown.corpus.shard_places import ShardCut, note_of, read_places
from stepdown.corpus.split_writing import keep_buckets, places_of, prepare_steps, tasks_of, write_split
from stepdown.corpus.steps import FilterStep, StepCounter, selection_of, step_of
from stepdown.errors import UsageError
from stepdown.files import resumable_folder
from stepdown.object_stores import address_of
from stepdown.questions import NONE, Keys, keys_of, read_keys
from stepdown.shards import Shard
from stepdown.text import html_facts
from stepdown.types import Chain
from stepdown.version import __version__
from stepdown.workers import SerialPool, WorkerPool

Progress = Callable[[int, int], None]
_REPORTED_EVERY = 5_000
Rows = TypeVar("Rows", list[Chain], ChainTable)


class Corpus:
    """The chains of a corpus folder, streamed from disk, or a lazily filtered view of them.

    `card` is the folder's card: of a view, it tells what the view was taken from. `address` is where the folder is a
    copy of, for one in an object store. Made by `open_corpus`.
    """

    def __init__(self, path: Path, card: Card, steps: tuple[FilterStep, ...] = (), *, address: str = "") -> None:
        self.path, self.card, self._steps, self.address = path, card, steps, address

    def __repr__(self) -> str:
        kept = "".join(f".keep({step.filter.name!r})" for step in self._steps)
        return f"<Corpus {str(self.path)!r}, {self.card.chains:,} {self.card.row}s>{kept}"

    def _repr_html_(self) -> str:
        kept = "; ".join(step.filter.name for step in self._steps)
        return html_facts({"folder": str(self.path), "kept of it": kept}) + self.card._repr_html_()

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.path.resolve().name

    @property
    def filters(self) -> tuple[str, ...]:
        """The filters of this view, as given; empty for the whole corpus."""
        return tuple(step.filter.name for step in self._steps)

    @property
    def questions(self) -> Keys:
        """What stands for each question that is asked in this view."""
        if self._steps:
            return keys_of(group[0].problem for group in self.groups())
        return questions_of(self.path, self.card)

    @property
    def behind(self) -> Keys:
        """What stands for each question that the corpus's teachers were trained on, or were shown."""
        return read_keys(self.path / BEHIND) or NONE

    def __iter__(self) -> Iterator[Chain]:
        """Stream the chains in order."""
        for group in self.groups():
            yield from group

    def groups(self) -> Iterator[list[Chain]]:
        """Stream all chains of one problem at a time."""
        groups = self._read(None)
        for tally in self._tallies(None):
            groups = tally.sift(groups)
        return groups

    def tables(self) -> Iterator[ChainTable]:
        """Stream many problems at a time, as columns: `table.frame` is a polars frame, a row for each chain.

        Raises `UsageError` for a filter of one's own, which needs chains.
        """
        counters = self._tallies(None)
        for counter in counters:
            if not counter.step.filter.columns:
                what = f"`{counter.step.filter.name}` is a filter of chains, not of columns"
                raise UsageError(what, "stream the view by `groups`")
        return sifted_tables(self._read_tables(None), counters)

    def keep(self, *filters: str | Filter, seed: int = 0, code: bool = False) -> "Corpus":
        """Return a view that keeps only what these filters keep, one after the other; nothing is read yet.

        `code` lets names be plugins' or `file.py:name`, as in `load_filter`. Raises `UnknownName` and `UsageError` for
        what is no filter.
        """

        steps = tuple(
            step_of(one, seed, self.card.content, code=code) if isinstance(one, str) else FilterStep(one, seed)
            for one in filters
        )
        return Corpus(self.path, self.card, self._steps + steps)

    def prepared(self, progress: Progress | None = None) -> "Corpus":
        """Return this view with filters that have seen what they need to see, which is a pass for each such filter.

        Raises `UsageError` where the corpus is not what a filter needs.
        """
        return Corpus(self.path, self.card, tuple(tally.step for tally in self._tallies(progress)))

    def judged(self, group: Sequence[Chain]) -> list[tuple[Chain, Filter | None]]:
        """Return all chains of one problem, each with the first filter that drops it, None for a chain that is kept.

        Of a `prepared` view. Raises `UsageError` where a filter needs what a chain does not have.
        """
        dropped: dict[int, Filter] = {}
        left: Sequence[Chain] = group
        for step in self._steps:
            stay = {id(chain) for chain in (step.filter.keep(left) if left else ())}
            dropped |= {id(chain): step.filter for chain in left if id(chain) not in stay}
            left = [chain for chain in left if id(chain) in stay]
        return [(chain, dropped.get(id(chain))) for chain in group]

    def counted(self) -> Iterator[tuple[int, tuple[Selection, ...]]]:
        """Stream how many chains were read and what each filter kept so far, now and then and at the end."""
        tallies = self._tallies(None)
        done = reported = 0
        for group in self._read(None):
            done += len(group)
            for tally in tallies:
                group = tally.take(group) if group else group
            if done - reported >= _REPORTED_EVERY:
                reported = done
                yield done, tuple(tally.kept for tally in tallies)
        yield done, tuple(tally.kept for tally in tallies)

    def write(
        self,
        out: str | Path,
        *,
        force: bool = False,
        progress: Progress | None = None,
        shard: Shard | None = None,
        workers: WorkerPool | None = None,
        buckets: int = 0,
    ) -> "Corpus":
        """Write this view as a corpus of its own and return that, with what each filter kept on its card.

        `progress` gets the rows read and all there are; a filter that must see the corpus first makes one more
        pass, over the whole of it also where only the problems of a `shard` are written. A corpus that is split by
        problem stays so, and `buckets` splits one; then `workers` fill its buckets, each alone, and what a killed
        process filled is not filled again. Raises `UsageError`, also where nothing is kept but of a shard; then
        nothing is left.
        """
        if address := address_of(out):
            options: dict[str, Any] = {"progress": progress, "shard": shard, "workers": workers, "buckets": buckets}
            write_remote(address, lambda folder: self.write(folder, force=True, **options), force=force)
            return open_corpus(address) if shard is None else open_shard(address)
        if shard is not None and (found := read_places(self.path)) is not None:
            what = f"`{self.path}` is shard {found.shard} of a corpus"
            raise UsageError(what, "join its shards first: `stepdown store merge`")
        if buckets or self.card.buckets:
            pool = workers or SerialPool()
            self._write_split(Path(out), buckets or len(self.card.buckets), force, pool, progress, shard)
        else:
            card, cut = self._card(shard), None if shard is None else ShardCut(shard)
            with CorpusWriter(out, card=card, force=force, behind=self.behind) as writer:
                carry_lineages([self.path], writer.folder)
                writer.card = self._feed(card, progress, cut, writer.add_table)
                if cut is not None:
                    cut.places(len(self.card.selection)).write(writer.folder)
        return open_corpus(out) if shard is None else open_shard(out)

    def _card(self, shard: Shard | None) -> Card:
        notes = self.card.notes if shard is None else (*self.card.notes, note_of(shard))
        return msgspec.structs.replace(self.card, kept_from=self.card.fingerprint, buckets=(), notes=notes)

    def _write_split(
        self, out: Path, buckets: int, force: bool, pool: WorkerPool, progress: Progress | None, shard: Shard | None
    ) -> None:
        card, key, before = self._card(shard), self._work_key(shard), len(self.card.selection)
        if buckets != len(self.card.buckets):
            cut = None if shard is None else ShardCut(shard, buckets=buckets)
            feed = partial(self._feed, card, progress, cut)

            def beside(work: Path) -> None:
                carry_lineages([self.path], work)
                if cut is not None:
                    cut.places(before).write(work)

            write_split(out, feed, buckets=buckets, key=key, force=force, pool=pool, behind=self.behind, beside=beside)
            return
        target = out.expanduser().resolve()
        check_out(target, force=force)
        with resumable_folder(target, f"{key}-keep") as work:
            steps = prepare_steps(self.path, self.card, self._steps, pool)
            made = keep_buckets(work, tasks_of(self.path, self.card, steps, shard), pool, progress)
            kept = [selection_of(step, [one.steps[at] for one in made]) for at, step in enumerate(steps)]
            if shard is None:
                _refuse_empty(kept)
            else:
                places_of(shard, self.card, made).write(work)
            carry_lineages([self.path], work)
            assemble(work, msgspec.structs.replace(card, selection=(*card.selection, *kept)), made, self.behind)

    def _feed(
        self, card: Card, progress: Progress | None, cut: ShardCut | None, take: Callable[[ChainTable], None]
    ) -> Card:
        counters = self._tallies(progress)
        keep_into(take, self._read_tables(progress), counters, cut)
        kept = tuple(counter.kept for counter in counters)
        if cut is None:
            _refuse_empty(kept)
        return msgspec.structs.replace(card, selection=(*card.selection, *kept))

    def _work_key(self, shard: Shard | None) -> str:
        """Return what stands for this view, so that the work on it can be gone on with."""
        filters = [step.filter for step in self._steps]
        steps = [
            (one.name, one.definition, step.seed, one.reads() if one.reads else "")
            for one, step in zip(filters, self._steps, strict=True)
        ]
        body = msgspec.json.encode([__version__, self.card.fingerprint, self.card.chains, steps, str(shard)])
        return blake2b(body, digest_size=8).hexdigest()

    def _tallies(self, progress: Progress | None) -> list[StepCounter]:
        """Make the filters ready, each on what those before it keep."""
        ready: list[FilterStep] = []
        for step in self._steps:
            if step.filter.prepare:
                before = tuple(ready)
                step = FilterStep(step.filter.prepare(partial(self._sifted, before, progress)), step.seed, None)
            ready.append(step)
        return [StepCounter(step) for step in ready]

    def _sifted(self, steps: tuple[FilterStep, ...], progress: Progress | None) -> Iterator[list[Chain]]:
        groups = self._read(progress)
        for step in steps:
            groups = StepCounter(step).sift(groups)
        return groups

    def _read(self, progress: Progress | None) -> Iterator[list[Chain]]:
        groups = read_groups(self.path, self.card)
        return groups if progress is None else _with_progress(groups, self.card.chains, progress)

    def _read_tables(self, progress: Progress | None) -> Iterator[ChainTable]:
        tables = read_tables(self.path, self.card)
        return tables if progress is None else _with_progress(tables, self.card.chains, progress)


def _with_progress(groups: Iterator[Rows], total: int, progress: Progress) -> Iterator[Rows]:
    """Stream groups or tables and tell how many rows are read, now and then; a slow reader is told of each second."""
    done = reported = 0
    since = monotonic()
    for group in groups:
        done += len(group)
        if done - reported >= _REPORTED_EVERY or monotonic() - since > 1:
            reported, since = done, monotonic()
            progress(done, total)
        yield group
    progress(done, total)


def _refuse_empty(kept: Sequence[Selection]) -> None:
    for one in kept:
        if one.chains_in and not one.chains_kept:
            what = f"no chain is left: `{one.filter}` kept none of {one.chains_in:,}"
            raise UsageError(what, "leave the filter out or choose a milder one; nothing was written")


def open_corpus(path: str | Path) -> Corpus:
    """Open a corpus folder; its card, its parts' footers, columns and counts are checked, its rows when they are read.

    One in an object store (`s3://`, `gs://`, `hf://`) is copied into the cache first, but for what is there already.
    Raises `UsageError` where something is missing, cut off or of another shape, `MissingExtra` without polars.
    """
    return _opened(path, may_be_empty=False)


def open_shard(path: str | Path) -> Corpus:
    """Open the corpus of a shard, which may be empty; raises as `open_corpus`."""
    return _opened(path, may_be_empty=True)


def _opened(path: str | Path, *, may_be_empty: bool) -> Corpus:
    address = address_of(path) or ""
    folder = local_copy(address) if address else Path(path).expanduser()
    card = read_card(folder)
    if card.chains or not may_be_empty or read_places(folder) is None:
        parts_of(folder, card)
    return Corpus(folder, card, address=address)
