"""Corpora of chains that a test writes."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stepdown.corpus import Card, Corpus, CorpusWriter, open_corpus
from stepdown.types import Chain, Grade, Problem


def write_corpus(folder: Path, chains: Iterable[Chain], *, card: Card, **options: Any) -> Corpus:
    """Write chains into a folder and open it; options are the writer's."""
    with CorpusWriter(folder, card=card, **options) as writer:
        for chain in chains:
            writer.add(chain)
    return open_corpus(folder)


def nine_problems(folder: Path) -> Corpus:
    """Write a chain for each of nine problems, every second one right."""
    problems = [Problem(f"made/{number}", f"What is {number}?", "2") for number in range(9)]
    grades = [Grade("right" if number % 2 else "wrong", "2") for number in range(9)]
    chains = [Chain(one, "It is 2.", "ann", 0, grade) for one, grade in zip(problems, grades, strict=True)]
    return write_corpus(folder, chains, card=Card(dataset="made"))
