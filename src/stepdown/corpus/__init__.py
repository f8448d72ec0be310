"""Corpora of teachers' chains: folders of parquet parts with a card, lazily filtered views, and targets to train on."""

from stepdown.corpus.card import CHOSEN, REJECTED, Card, Content, Selection
from stepdown.corpus.folder import CorpusWriter
from stepdown.corpus.problem_index import ProblemIndex, index_problems
from stepdown.corpus.targets import TARGETS, Example, target
from stepdown.corpus.views import Corpus, open_corpus

__all__ = [
    "CHOSEN",
    "REJECTED",
    "TARGETS",
    "Card",
    "Content",
    "Corpus",
    "CorpusWriter",
    "Example",
    "ProblemIndex",
    "Selection",
    "index_problems",
    "open_corpus",
    "target",
]
