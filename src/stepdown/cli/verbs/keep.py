"""`stepdown keep`: a selection of a corpus, as a corpus of its own."""

from pathlib import Path
from time import monotonic
from typing import Annotated

from cyclopts import Parameter

from stepdown.cli.console.passes import telling
from stepdown.cli.console.tables import show_table
from stepdown.cli.console.terminal import say
from stepdown.cli.corpus_summaries import show_corpus
from stepdown.cli.from_settings import verb
from stepdown.cli.options import CHOICE, Buckets, Flag, Json
from stepdown.cli.work_options import WorkOptions
from stepdown.corpus import Corpus, open_corpus
from stepdown.settings import ShardSettings

SHARD, WORK = ShardSettings(), WorkOptions()


@verb
def keep(
    corpus: Path,
    /,
    *filters: str,
    out: Annotated[Path, Parameter(group=CHOICE)],
    seed: Annotated[int, Parameter(group=CHOICE)] = 0,
    force: Annotated[Flag, Parameter(group=CHOICE)] = False,
    buckets: Buckets = None,
    shard: ShardSettings = SHARD,
    work: WorkOptions = WORK,
    json: Json = False,
) -> int:
    """Keep the chains that pass all filters.

    Parameters
    ----------
    corpus
        A corpus.
    filters
        Filters in the order they work, such as `right distinct per-problem=5`; docs/selection.md has them all.
    out
        The corpus to write, a folder.
    seed
        The seed of filters that choose at random.
    force
        Replace a corpus that is there.
    buckets
        Split the corpus by problem into so many buckets, which workers fill at once: 64 for tens of millions of chains.
    """
    part = shard.chosen
    source = open_corpus(corpus)
    if work.parallel and not (buckets or source.card.buckets):
        say(f"`{corpus}` is not split by problem, so one process filters it: `--buckets 64` splits what is kept")
    began = monotonic()
    view = source.keep(*filters, seed=seed, code=True)
    with work.open() as workers:
        kept = view.write(out, force=force, progress=telling("keep"), shard=part, workers=workers, buckets=buckets or 0)
    seconds = monotonic() - began
    if not json:
        show_selection(kept, len(source.card.selection))
    if not kept.card.chains:
        say(f"shard {part} keeps nothing: its corpus is empty, and `store merge` takes it with the others")
    show_corpus(kept, as_json=json, read=source.card.chains, seconds=seconds)
    return 0


def show_selection(corpus: Corpus, before: int) -> None:
    """Write what each filter of this command kept."""
    rows = [
        (one.filter, f"{one.chains_kept}/{one.chains_in}", f"{one.problems_kept}/{one.problems_in}")
        for one in corpus.card.selection[before:]
    ]
    if rows:
        show_table("Selection", ("filter", "chains kept", "problems kept"), rows, words=1)
