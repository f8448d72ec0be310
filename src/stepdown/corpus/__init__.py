"""Corpora of teachers' chains: folders of parquet parts with a card, lazily filtered views, and targets to train on."""

from stepdown.corpus.card import CARD, CHOSEN, REJECTED, Bucket, Card, Content, Selection, read_card, readme
from stepdown.corpus.folder import CorpusWriter, check_out, questions_of_teachers
from stepdown.corpus.lineages import (
    Lineage,
    PlanLineage,
    read_lineages,
    read_plan_lineages,
    write_lineages,
    write_plan_lineages,
)
from stepdown.corpus.majority_labels import with_majority_labels
from stepdown.corpus.merging import merge_corpora
from stepdown.corpus.parquet_rows import unicode_value
from stepdown.corpus.problem_index import ProblemIndex, index_problems
from stepdown.corpus.remote import copies_folder, is_corpus_file, write_remote
from stepdown.corpus.selection import ChainTable, table_of
from stepdown.corpus.shard_places import ShardPlaces, note_of
from stepdown.corpus.split_writing import write_split
from stepdown.corpus.student_scores import StudentScores
from stepdown.corpus.targets import STUDIED, TARGETS, Example, label, target
from stepdown.corpus.views import Corpus, open_corpus

__all__ = [
    "CARD",
    "CHOSEN",
    "REJECTED",
    "STUDIED",
    "TARGETS",
    "Bucket",
    "Card",
    "ChainTable",
    "Content",
    "Corpus",
    "CorpusWriter",
    "Example",
    "Lineage",
    "PlanLineage",
    "ProblemIndex",
    "Selection",
    "ShardPlaces",
    "StudentScores",
    "check_out",
    "copies_folder",
    "index_problems",
    "is_corpus_file",
    "label",
    "merge_corpora",
    "note_of",
    "open_corpus",
    "questions_of_teachers",
    "read_card",
    "read_lineages",
    "read_plan_lineages",
    "readme",
    "table_of",
    "target",
    "unicode_value",
    "with_majority_labels",
    "write_lineages",
    "write_plan_lineages",
    "write_remote",
    "write_split",
]
