"""Corpora of teachers' chains: folders of parquet parts with a card, lazily filtered views, and targets to train on."""

from stepdown.corpus.card import Card, Selection
from stepdown.corpus.folder import CorpusWriter
from stepdown.corpus.problem_index import ProblemIndex, index_problems
from stepdown.corpus.targets import TARGETS, Example, target
from stepdown.corpus.views import Corpus, open_corpus

__all__ = [
    "TARGETS",
    "Card",
    "Corpus",
    "CorpusWriter",
    "Example",
    "ProblemIndex",
    "Selection",
    "index_problems",
    "open_corpus",
    "target",
]
