"""Foreign files of chains into corpora: recognised by what they hold, read as streams, written whole or not at all."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec

from stepdown.corpus import (
    Card,
    ChainTable,
    Corpus,
    CorpusWriter,
    copies_folder,
    open_corpus,
    table_of,
    write_remote,
    write_split,
)
from stepdown.errors import BadRow, UsageError
from stepdown.exchange import conversations, pools, scotd
from stepdown.exchange.json_streams import Progress, find_objects, is_lines, read_objects
from stepdown.exchange.source import ChainSource, dataset_of, digest_of
from stepdown.object_stores import address_of, fetched
from stepdown.types import Chain
from stepdown.version import __version__
from stepdown.workers import SerialPool, WorkerPool

_KNOWN = (
    "known: a pool (`question`, `answer`, `chains`), the released files of SCoTD (`prompt`, `response`, `score`,"
    " `index`), `messages`, `conversations`, `prompt` with `completion`"
)
# Chains of a table, when they are read one problem at a time.
_TABLE = 5_000


class Form(msgspec.Struct, frozen=True):
    """A form of files of chains: how to know it by its first object, and how to read it.

    `method` is how the teacher was asked, where the form tells. `read_tables` reads lines by workers, and `works` says
    that `read` takes workers.
    """

    name: str
    fits: Callable[[Mapping[str, Any]], bool]
    read: Callable[..., Iterator[list[Chain]]]
    method: str = ""
    read_tables: Callable[..., Iterator[ChainTable]] | None = None
    works: bool = False


FORMS = (
    Form("pool", pools.fits, pools.read_pool, read_tables=pools.read_pool_tables),
    Form("scotd", scotd.fits, scotd.read_scotd, "few-shot"),
    Form("conversations", conversations.fits, conversations.read_conversations, works=True),
)


def import_corpus(
    path: str | Path,
    out: str | Path,
    *,
    dataset: str = "",
    teacher: str = "unknown",
    force: bool = False,
    progress: Progress | None = None,
    workers: WorkerPool | None = None,
    buckets: int = 0,
) -> Corpus:
    """Read a file of chains into a new corpus folder and return the corpus.

    The content decides the form: a pool, a released file of SCoTD, chats as jsonl or in one array, plain or gzip, or
    parquet with the same columns. `dataset` (default: from the file's name) begins the problems' ids, `teacher`
    wrote the chains that do not say who did, `progress` gets the bytes read and all there are. `buckets` splits the
    corpus by problem; `workers` read the lines of a pool, grade conversations and fill buckets. Raises `UsageError`
    for a file of no known form and `BadRow` for the first bad row; then nothing is left.
    """
    options: dict[str, Any] = {"dataset": dataset, "teacher": teacher, "progress": progress, "workers": workers}
    if address := address_of(path):
        with fetched(address, copies_folder(), progress=progress) as copy:
            return import_corpus(copy, out, force=force, buckets=buckets, **options)
    if address := address_of(out):
        options["buckets"] = buckets
        write_remote(address, lambda folder: import_corpus(path, folder, force=True, **options), force=force)
        return open_corpus(address)
    found = find_objects(path)
    form = recognise(found)
    source = ChainSource(
        path=found,
        dataset=dataset or dataset_of(found),
        teacher=teacher,
        scratch=Path(out).expanduser().absolute().parent,
        seen=Counter(),
    )
    card = Card(dataset=source.dataset, origin=f"{found.name}:{digest_of(found)}", method=form.method)
    pool = workers or SerialPool()
    feed = partial(_feed, card, form, source, partial(_tables, form, source, pool, progress, encoded=not buckets))
    if buckets:
        key = blake2b(f"{__version__}\0{card.origin}\0{source.dataset}\0{teacher}".encode(), digest_size=8).hexdigest()
        write_split(Path(out), feed, buckets=buckets, key=key, force=force, pool=pool)
    else:
        with CorpusWriter(out, card=card, force=force) as writer:
            writer.card = feed(writer.add_table)
    return open_corpus(out)


def _feed(
    card: Card,
    form: Form,
    source: ChainSource,
    tables: Callable[[], Iterator[ChainTable]],
    take: Callable[[ChainTable], None],
) -> Card:
    for table in tables():
        take(table)
    notes = (f"imported from a file of the form `{form.name}`", *source.notes)
    return msgspec.structs.replace(card, notes=notes)


def _tables(
    form: Form, source: ChainSource, pool: WorkerPool, progress: Progress | None, *, encoded: bool
) -> Iterator[ChainTable]:
    """Stream a file's problems, many at a time; `encoded` where what writes them takes a fingerprint of all."""
    if form.read_tables and is_lines(source.path):
        yield from form.read_tables(source, pool, progress=progress, encoded=encoded)
        return
    waiting: list[Chain] = []
    for group in form.read(source, progress=progress, **({"workers": pool} if form.works else {})):
        waiting += group
        if len(waiting) >= _TABLE:
            yield table_of(waiting)
            waiting = []
    yield table_of(waiting)


def recognise(path: Path) -> Form:
    """Return the form of a file by its first object; raise `UsageError` where it is none that is known."""
    for row in read_objects(path):
        for form in FORMS:
            if form.fits(row.fields):
                return form
        there = ", ".join(f"`{name}`" for name in row.fields)[:300] or "none"
        raise UsageError(f"`{path}` is not of a known form: its first row has the columns {there}", _KNOWN)
    raise BadRow(path, 1, "the file", "at least one row, found none", _KNOWN)
