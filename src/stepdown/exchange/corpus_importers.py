"""Foreign files of chains into corpora: recognised by what they hold, read as streams, written whole or not at all."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from stepdown.corpus import Card, Corpus, CorpusWriter, open_corpus
from stepdown.errors import BadRow, UsageError
from stepdown.exchange import conversations, pools, scotd
from stepdown.exchange.json_streams import Progress, find_objects, read_objects
from stepdown.exchange.source import ChainSource, dataset_of, digest_of
from stepdown.types import Chain

_KNOWN = (
    "known: a pool (`question`, `answer`, `chains`), the released files of SCoTD (`prompt`, `response`, `score`,"
    " `index`), `messages`, `conversations`, `prompt` with `completion`"
)
_NONE = "{} problems had no chain: they are left out"


class Form(msgspec.Struct, frozen=True):
    """A form of files of chains: how to know it by its first object, and how to read it.

    `method` is how the teacher was asked, where the form tells.
    """

    name: str
    fits: Callable[[Mapping[str, Any]], bool]
    read: Callable[..., Iterator[list[Chain]]]
    method: str = ""


FORMS = (
    Form("pool", pools.fits, pools.read_pool),
    Form("scotd", scotd.fits, scotd.read_scotd, "few-shot"),
    Form("conversations", conversations.fits, conversations.read_conversations),
)


def import_corpus(
    path: str | Path,
    out: str | Path,
    *,
    dataset: str = "",
    teacher: str = "unknown",
    force: bool = False,
    progress: Progress | None = None,
) -> Corpus:
    """Read a file of chains into a new corpus folder and return the corpus.

    The content decides the form: a pool, a released file of SCoTD, chats as jsonl or in one array, plain or gzip, or
    parquet with the same columns. `dataset` (default: from the file's name) begins the problems' ids, `teacher`
    wrote the chains that do not say who did, `progress` gets the bytes read and all there are. Raises `UsageError`
    for a file of no known form and `BadRow` for the first bad row; then nothing is left.
    """
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
    with CorpusWriter(out, card=card, force=force) as writer:
        for group in form.read(source, progress=progress):
            source.seen[_NONE] += not group
            for chain in group:
                writer.add(chain)
        notes = (f"imported from a file of the form `{form.name}`", *source.notes)
        writer.card = msgspec.structs.replace(writer.card, notes=notes)
    return open_corpus(out)


def recognise(path: Path) -> Form:
    """Return the form of a file by its first object; raise `UsageError` where it is none that is known."""
    for row in read_objects(path):
        for form in FORMS:
            if form.fits(row.fields):
                return form
        there = ", ".join(f"`{name}`" for name in row.fields)[:300] or "none"
        raise UsageError(f"`{path}` is of no known form: its first row has the columns {there}", _KNOWN)
    raise BadRow(path, 1, "the file", "at least one row, found none", _KNOWN)
