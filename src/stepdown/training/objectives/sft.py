"""Supervised fine-tuning: the cross-entropy of what is to be written (Li et al., ACL 2023)."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from stepdown.corpus import target, with_majority_labels
from stepdown.prompts import load_prompts
from stepdown.training.logits import target_losses
from stepdown.training.objective import Batch, Loss, Rates, TrainingExample
from stepdown.training.settings import Training
from stepdown.types import Chain


class SupervisedFineTuning:
    """A chain is an example, and its loss the mean cross-entropy (nats) of the step's completion tokens."""

    name = "sft"
    width = 1
    # SCoTD trains all weights at 2e-5 for 20,000 steps (Li et al. 2023, appendix B); an adapter trained for hundreds of
    # steps needs the larger rate that LoRA is usually given.
    rates: Rates = (5e-4, 2e-5)
    write = None
    evaluate = None

    def __init__(self, training: Training) -> None:
        self.target, self.seed = training.target, training.seed
        self.content = "plan" if training.target == "plan" else "chain"
        self.reads_labels = training.target != "plan"
        self._prompts = load_prompts(training.prompts)

    def groups(self, chains: Iterable[Chain]) -> Iterator[tuple[Chain, ...]]:
        """Stream the chains; where labels alone are learned, each with the vote of its problem's chains."""
        return ((chain,) for chain in (with_majority_labels(chains) if self.target == "label" else chains))

    def example(self, chains: tuple[Chain, ...]) -> TrainingExample | None:
        """Return a chain in the form of the target; None where no label can be read in it."""
        text = target(chains[0], self.target, prompts=self._prompts, seed=self.seed)
        return None if text is None else TrainingExample(chains[0].problem, text.question, (text.completion,))

    def begin(self, model: Any, batches: Iterable[Batch]) -> None:
        """Need nothing of the base."""

    def end(self) -> None:
        """Hold nothing that could be let go of."""

    def weight(self, lengths: Sequence[int]) -> int:
        """Return the tokens of a completion: the loss of a step is a mean over tokens."""
        return sum(lengths)

    def collate(self, batch: Batch) -> Batch:
        """Add nothing: the targets are all that is needed."""
        return batch

    def loss(self, model: Any, batch: Batch) -> Loss:
        """Return the cross-entropy of the targets."""
        return Loss(target_losses(model, batch).sum())
