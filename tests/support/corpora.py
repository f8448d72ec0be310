"""Corpora of chains that a test writes."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stepdown.corpus import Card, Corpus, CorpusWriter, open_corpus
from stepdown.types import Chain


def write_corpus(folder: Path, chains: Iterable[Chain], *, card: Card, **options: Any) -> Corpus:
    """Write chains into a folder and open it; options are the writer's."""
    with CorpusWriter(folder, card=card, **options) as writer:
        for chain in chains:
            writer.add(chain)
    return open_corpus(folder)
