"""Corpora of teachers' chains: folders of parquet parts with a card, lazily filtered views, and targets to train on."""

from stepdown.corpus.card import Card, Kept
from stepdown.corpus.files import CorpusWriter
from stepdown.corpus.places import Places, find_places
from stepdown.corpus.targets import TARGETS, Example, target
from stepdown.corpus.views import Corpus, open_corpus

__all__ = [
    "TARGETS",
    "Card",
    "Corpus",
    "CorpusWriter",
    "Example",
    "Kept",
    "Places",
    "find_places",
    "open_corpus",
    "target",
]
