"""What an objective is: the examples a corpus gives, how their rows are batched, and the loss."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

import msgspec

from stepdown.types import Chain, Messages, Problem

Batch = dict[str, Any]
Rates = tuple[float, float]


class TrainingExample(msgspec.Struct, frozen=True):
    """One example as text: the question of a problem, and the completions that its loss needs."""

    problem: Problem
    question: Messages
    completions: tuple[str, ...]


class Loss(msgspec.Struct, frozen=True):
    """The loss of a batch, summed over its examples, and figures for the log, summed likewise (tensors of no axis).

    `tokens` are those of the rows that were computed, where they are not the batch's own.
    """

    value: Any
    figures: dict[str, Any] = {}
    tokens: int = 0


class Objective(Protocol):
    """What is learned from a corpus. One instance serves one preparation of a corpus; see `objectives/sft.py`.

    `content` is what its corpora hold (`Card.content`) and `target` what the student's card says is learned. An example
    has `width` completions, which always stay in the same batch. `rates` are its usual learning rates, for LoRA and
    for all weights. `reads_labels`: answers are read in the chains, and a corpus of which many have none is refused.
    `evaluate` compares held-out examples to choose the checkpoint; where it is None, problems are solved and graded.

    In the order in which a training calls them: `groups` and `example` (text, without a base), `begin` (the base before
    its first step), for each step `write`, then for each batch `weight`, `collate` and `loss`, now and then `evaluate`,
    and `end` after the last step.

    An objective may have the student write its own texts (`objectives/on_policy.py`): its `example` gives the question
    with a reference text, `begin` loads the teacher, `write` draws texts after the prompts of a step, and `loss` lays
    those of its batch out with `laid_rows.lay_rows` and learns from the teacher's log-probabilities. Draws are seeded
    by step, as dropout is. Where nothing is written, `write` is None.
    """

    name: str
    content: str
    target: str
    width: int
    rates: Rates
    reads_labels: bool

    def groups(self, chains: Iterable[Chain]) -> Iterator[tuple[Chain, ...]]:
        """Stream the chains of each example, `width` of them. Raises `UsageError` for chains it cannot learn from."""
        ...

    def example(self, chains: tuple[Chain, ...]) -> TrainingExample | None:
        """Return the text of an example; None where its chains do not say what has to be known."""
        ...

    def begin(self, model: Any, batches: Iterable[Batch]) -> None:
        """Look at the base before it is trained; `batches` hold every example that is trained on or held out, once."""
        ...

    def end(self) -> None:
        """Let go of what `begin` took: the student is trained."""
        ...

    def weight(self, lengths: Sequence[int]) -> int:
        """Return what an example counts in the mean over a step; `lengths` are its completions', in tokens."""
        ...

    def collate(self, batch: Batch) -> Batch:
        """Return a batch with what the loss needs beside its tokens.

        `batch` is what `laid_rows.lay_rows` returns, with `rows`: the numbers of its completions in the corpus, the
        completions of an example in order.
        """
        ...

    def loss(self, model: Any, batch: Batch) -> Loss:
        """Return the loss of a batch, summed over its examples; the trainer divides it by the weight of the step."""
        ...

    @property
    def write(self) -> Callable[[Any, Iterable[Batch]], None] | None:
        """Return what has the student write all texts of a step, from its batches, before the loss of the first."""
        ...

    @property
    def evaluate(self) -> Callable[[Any, Iterable[Batch]], dict[str, Any]] | None:
        """Return what counts `right`, `graded` and `total` of held-out examples, and what else the log shows."""
        ...
