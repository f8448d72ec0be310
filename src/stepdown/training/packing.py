"""Sequence packing: the rows of a micro-batch laid end to end, without padding."""

from collections.abc import Iterator, Sequence

from stepdown.training.examples import Examples
from stepdown.training.laid_rows import lay_rows
from stepdown.training.objectives import Batch
from stepdown.training.sampling_order import IntArray


class PackedDataset:
    """All micro-batches of a training in their order, `micro_batches` to a step: a data set of transformers' trainer.

    An item holds some examples of its step as `lay_rows` lays their completions out, collated by the objective, and
    `step_weight`: what all examples of the step weigh, over which the loss is a mean however the step is split. The
    first `shared` tokens, with which every prompt begins, stand there once.
    """

    def __init__(self, examples: Examples, order: IntArray, micro_batches: int, *, shared: int = 0) -> None:
        self.examples, self.order, self.micro_batches, self.shared = examples, order, micro_batches, shared

    def __len__(self) -> int:
        return len(self.order) * self.micro_batches

    def __getitem__(self, position: int) -> Batch:
        if not 0 <= position < len(self):
            raise IndexError(position)
        step, part = divmod(position, self.micro_batches)
        chosen = self.order[step].tolist()
        group = split_by_tokens([self.tokens(example) for example in chosen], self.micro_batches)[part]
        batch = self.examples.objective.collate(self.lay([chosen[index] for index in group]))
        return batch | {"step_weight": sum(map(self.weight, chosen))}

    def examples_in(self, batch: Batch) -> int:
        """Return how many examples a batch holds."""
        return len(batch["rows"]) // self.examples.objective.width

    def longest_in(self, batch: Batch) -> int:
        """Return the tokens of the longest example of a batch."""
        width = self.examples.objective.width
        return max(self.tokens(row // width) for row in batch["rows"])

    def parts_of(self, batch: Batch, parts: int) -> Iterator[Batch]:
        """Stream a micro-batch in parts of about equal tokens, each as it would be alone."""
        if parts == 1:
            yield batch
            return
        width = self.examples.objective.width
        chosen = [row // width for row in batch["rows"][::width]]
        for group in split_by_tokens([self.tokens(example) for example in chosen], min(parts, len(chosen))):
            part = self.examples.objective.collate(self.lay([chosen[index] for index in group]))
            yield part | {"step_weight": batch["step_weight"]}

    def weight(self, example: int) -> int:
        """Return what an example counts in the mean over its step."""
        examples = self.examples
        return examples.objective.weight([examples.completions.length(row) for row in examples.completions_of(example)])

    def tokens(self, example: int) -> int:
        """Return the tokens of an example: each completion with its prompt."""
        return self.examples.tokens(example)

    def step_tokens(self, step: int) -> int:
        """Return the tokens of all rows of a step, counted from 0; what they share counts for each."""
        return sum(map(self.tokens, self.order[step].tolist()))

    def lay(self, chosen: Sequence[int]) -> Batch:
        """Return examples laid end to end, with the numbers of their completions as `rows`."""
        return self.lay_completions([row for example in chosen for row in self.examples.completions_of(example)])

    def lay_completions(self, rows: Sequence[int]) -> Batch:
        """Return completions with their prompts laid end to end, with their numbers as `rows`."""
        examples = self.examples
        prompts = [examples.prompts[examples.problem_of[row]] for row in rows]
        return lay_rows(prompts, [examples.completions[row] for row in rows], shared=self.shared) | {"rows": list(rows)}

    def batches(self, chosen: Sequence[int], *, tokens: int) -> Iterator[Batch]:
        """Stream examples as batches of about `tokens` tokens, outside of the order of training."""
        group: list[int] = []
        for example in chosen:
            if group and sum(map(self.tokens, (*group, example))) > tokens:
                yield self.lay(group)
                group = []
            group.append(example)
        if group:
            yield self.lay(group)


def shared_start(examples: Examples) -> int:
    """Return with how many tokens all prompts begin alike (the template's opening), short of a whole prompt."""
    first, shared = examples.prompts[0], examples.prompts.length(0) - 1
    for index in range(1, len(examples.prompts)):
        prompt = examples.prompts[index]
        shared = min(shared, len(prompt) - 1)
        while shared and prompt[:shared] != first[:shared]:
            shared -= 1
    return shared


def split_by_tokens(lengths: Sequence[int], groups: int) -> list[list[int]]:
    """Return indices in `groups` groups of about equal tokens, the longest first to the lightest group.

    Groups depend on the lengths and their order only. Where there are fewer lengths than groups, some are empty.
    """
    rows: list[list[int]] = [[] for _ in range(groups)]
    tokens = [0] * groups
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        lightest = tokens.index(min(tokens))
        rows[lightest].append(index)
        tokens[lightest] += lengths[index]
    return rows


def count_micro_batches(dataset: PackedDataset, *, tokens: int, world: int) -> int:
    """Return into how many micro-batches each step is split: a multiple of `world` processes, about `tokens` each.

    With `tokens` of 0 every example is one of its own.
    """
    batch = dataset.order.shape[1]
    if tokens == 0:
        return int(batch)
    most = max(dataset.step_tokens(step) for step in range(len(dataset.order)))
    each = -(-most // (tokens * world))
    return int(min(max(each, 1), max(batch // world, 1)) * world)
