"""What a training reads: a corpus, tokenised once into compact arrays, and the problems held out of it."""

from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from hashlib import blake2b
from itertools import islice
from typing import Any

import msgspec

from stepdown.corpus import label
from stepdown.questions import key
from stepdown.training.objectives import Objective, TrainingExample, load_objective
from stepdown.training.prompt_encoder import PromptEncoder
from stepdown.training.sampling_order import IntArray, load_numpy
from stepdown.training.settings import Training
from stepdown.types import Chain, Messages, Problem

AT_ONCE = 512
# With fewer problems than this times the dev problems, a tenth of them is held out.
HELD_OUT_SHARE = 10


class Ragged:
    """Rows of token numbers of any length in one flat array."""

    def __init__(self) -> None:
        self.flat, self.ends = array("i"), array("q", [0])

    def __len__(self) -> int:
        return len(self.ends) - 1

    def __getitem__(self, index: int) -> Sequence[int]:
        return self.flat[self.ends[index] : self.ends[index + 1]]

    def add(self, row: Iterable[int]) -> None:
        """Append a row."""
        self.flat.extend(row)
        self.ends.append(len(self.flat))

    def length(self, index: int) -> int:
        """Return the tokens of a row."""
        return self.ends[index + 1] - self.ends[index]


class Survey(msgspec.Struct):
    """What was met while reading a corpus: chains, and how many were cut, unparseable or asked in other words."""

    chains: int = 0
    cut: int = 0
    longest: int = 0
    unparseable: int = 0
    template: int = 0
    labels: Counter[str] = msgspec.field(default_factory=Counter)
    teachers: Counter[str] = msgspec.field(default_factory=Counter)

    def count(self, chains: Iterable[Chain], *, labels: bool) -> None:
        """Count the chains of an example, and the labels of choice problems where they are read."""
        for chain in chains:
            self.chains += 1
            self.teachers[chain.teacher] += 1
            if labels and chain.problem.kind == "choice":
                self.labels[label(chain) or ""] += 1


class Examples:
    """A tokenised corpus: a prompt per problem, the completions of each example (end tokens included), and a survey.

    Completion `c` belongs to the example `c // width`, and to the problem at place `problem_of[c]`. Examples without a
    readable label, or with a completion that is longer than `max_length` with its prompt, are counted and left out.
    `candidates` are the problems with the lowest hashes, of which dev problems are taken.
    """

    def __init__(self, tokenizer: Any, training: Training) -> None:
        self.objective: Objective = load_objective(training)
        self.prompts, self.completions = Ragged(), Ragged()
        self.problem_of = array("i")
        self.places: dict[str, int] = {}
        self.keys = array("Q")
        self.survey = Survey()
        self.candidates: dict[int, Problem] = {}
        self._encoder = PromptEncoder(tokenizer, training)
        self._training = training

    def read(self, chains: Iterable[Chain]) -> "Examples":
        """Tokenise chains, `AT_ONCE` examples at a time; those of one problem may come in any order.

        In a stream they must lie together where labels alone are learned.
        """
        stream = self.objective.groups(chains)
        while groups := list(islice(stream, AT_ONCE)):
            self._add([one for group in groups if (one := self._example(group)) is not None])
        return self

    def _example(self, group: tuple[Chain, ...]) -> TrainingExample | None:
        self.survey.count(group, labels=self.objective.reads_labels)
        example = self.objective.example(group)
        self.survey.unparseable += example is None
        return example

    def _add(self, examples: list[TrainingExample]) -> None:
        encoded = self._encoder.completions([text for one in examples for text in one.completions])
        for example in examples:
            completions = [next(encoded) for _ in example.completions]
            index = self._problem_at(example.problem, example.question)
            length = self.prompts.length(index) + max(map(len, completions))
            self.survey.longest = max(self.survey.longest, length)
            if length > self._training.max_length:
                self.survey.cut += len(completions)
                continue
            for completion in completions:
                self.completions.add(completion)
                self.problem_of.append(index)

    def _problem_at(self, problem: Problem, question: Messages) -> int:
        index = self.places.get(problem.id)
        if index is None:
            index = self.places[problem.id] = len(self.prompts)
            tokens = self._encoder.prompt(question)
            self.prompts.add(tokens)
            self.keys.append(key(problem))
            self.survey.template += not self._encoder.is_asked_so(problem, tokens, question)
            self.candidates[index] = problem
            if len(self.candidates) > 2 * self._training.dev + AT_ONCE:
                self.candidates = self._lowest(self._training.dev)
        return index

    def _lowest(self, count: int) -> dict[int, Problem]:
        ranked = sorted(self.candidates.items(), key=lambda item: dev_rank(item[1]))
        return dict(ranked[:count])

    def completions_of(self, example: int) -> range:
        """Return the numbers of an example's completions."""
        return range(example * self.objective.width, (example + 1) * self.objective.width)

    def tokens(self, example: int) -> int:
        """Return the tokens of an example: each completion with its prompt."""
        return sum(
            self.prompts.length(self.problem_of[row]) + self.completions.length(row)
            for row in self.completions_of(example)
        )

    @property
    def owners(self) -> IntArray:
        """The place of each example's problem."""
        return load_numpy().asarray(self.problem_of, dtype="int64")[:: self.objective.width]

    def hold_out(self) -> dict[int, Problem]:
        """Return the dev problems by place: the lowest hashes, `dev` of them or a tenth of all, whichever is less."""
        return self._lowest(min(self._training.dev, len(self.prompts) // HELD_OUT_SHARE))

    def asking(self, keys: Collection[int]) -> set[int]:
        """Return the places of the problems that ask one of these questions, whatever their ids are."""
        return {index for index, one in enumerate(self.keys) if one in keys}

    def split(self, held_out: Iterable[int]) -> tuple[IntArray, IntArray]:
        """Return the numbers of the examples whose problems are not held out, and of those whose problems are."""
        numpy = load_numpy()
        held_rows = numpy.isin(self.owners, list(held_out))
        return numpy.flatnonzero(~held_rows), numpy.flatnonzero(held_rows)

    @property
    def fingerprint(self) -> str:
        """Thirty-two hexadecimal digits over all tokens in their order."""
        digest = blake2b(digest_size=16)
        for part in (self.prompts.flat, self.prompts.ends, self.completions.flat, self.completions.ends):
            digest.update(part.tobytes())
        digest.update(self.problem_of.tobytes())
        return digest.hexdigest()


def dev_rank(problem: Problem) -> bytes:
    """Return a problem's rank among candidates for dev: a hash of its id, the same in all corpora and for all seeds."""
    return blake2b(b"dev\0" + problem.id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
