"""What a training reads: a corpus, tokenised once into compact arrays, and the problems held out of it."""

from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import islice
from typing import Any

import msgspec

from stepdown.corpus import Example, target
from stepdown.corpus.majority_labels import with_majority_labels
from stepdown.corpus.targets import label
from stepdown.errors import CallFailed, UsageError
from stepdown.models.local import template_of
from stepdown.prompts import PromptSet, load_prompts
from stepdown.questions import key
from stepdown.training.sampling_order import Numbers, load_numpy
from stepdown.training.settings import Training
from stepdown.types import Chain, Message, Messages, Problem, Prompt

AT_ONCE = 512
# With fewer problems than this times the dev problems, a tenth of them is held out.
HELD_OUT_SHARE = 10


class Ragged:
    """Rows of token numbers of any length in one flat array."""

    def __init__(self) -> None:
        self.flat, self.ends = array("i"), array("q", [0])

    def __len__(self) -> int:
        return len(self.ends) - 1

    def __getitem__(self, place: int) -> Sequence[int]:
        return self.flat[self.ends[place] : self.ends[place + 1]]

    def add(self, row: Iterable[int]) -> None:
        """Append a row."""
        self.flat.extend(row)
        self.ends.append(len(self.flat))

    def length(self, place: int) -> int:
        """Return the tokens of a row."""
        return self.ends[place + 1] - self.ends[place]


class Survey(msgspec.Struct):
    """What was met while reading a corpus: chains, and how many were cut, unparseable or asked in other words."""

    chains: int = 0
    cut: int = 0
    longest: int = 0
    unparseable: int = 0
    template: int = 0
    labels: Counter[str] = msgspec.field(default_factory=Counter)
    teachers: Counter[str] = msgspec.field(default_factory=Counter)


class Examples:
    """A tokenised corpus: a prompt per problem, a completion (end token included) per chain, and a survey.

    `problem_of` is the place of each completion's problem. Chains that are unparseable, or longer than
    `max_length` with their prompt, are counted and left out. `candidates` are the problems with the lowest hashes,
    of which dev problems are taken.
    """

    def __init__(self, tokenizer: Any, training: Training) -> None:
        self.prompts, self.completions = Ragged(), Ragged()
        self.problem_of = array("i")
        self.places: dict[str, int] = {}
        self.keys = array("Q")
        self.survey = Survey()
        self.candidates: dict[int, Problem] = {}
        self._asking = Asking(tokenizer, training)
        self._training = training

    def read(self, chains: Iterable[Chain]) -> "Examples":
        """Tokenise chains, `AT_ONCE` at a time; those of one problem may come in any order, but in streams for labels.

        The label of a problem's chains is their vote where labels alone are learned.
        """
        stream = iter(with_majority_labels(chains) if self._training.target == "label" else chains)
        while some := list(islice(stream, AT_ONCE)):
            self._add([(chain, example) for chain in some if (example := self._target(chain)) is not None])
        return self

    def _target(self, chain: Chain) -> Example | None:
        self.survey.chains += 1
        self.survey.teachers[chain.teacher] += 1
        if chain.problem.kind == "choice" and self._training.target != "plan":
            self.survey.labels[label(chain) or ""] += 1
        example = target(chain, self._training.target, prompts=self._asking.words, seed=self._training.seed)
        self.survey.unparseable += example is None
        return example

    def _add(self, rows: list[tuple[Chain, Example]]) -> None:
        completions = self._asking.complete([example.completion for _, example in rows])
        for (chain, example), completion in zip(rows, completions, strict=True):
            place = self._place(chain.problem, example.question)
            length = self.prompts.length(place) + len(completion)
            self.survey.longest = max(self.survey.longest, length)
            if length > self._training.max_length:
                self.survey.cut += 1
                continue
            self.completions.add(completion)
            self.problem_of.append(place)

    def _place(self, problem: Problem, question: Messages) -> int:
        place = self.places.get(problem.id)
        if place is None:
            place = self.places[problem.id] = len(self.prompts)
            tokens = self._asking.prompt(question)
            self.prompts.add(tokens)
            self.keys.append(key(problem))
            self.survey.template += not self._asking.is_asked_so(problem, tokens, question)
            self.candidates[place] = problem
            if len(self.candidates) > 2 * self._training.dev + AT_ONCE:
                self.candidates = self._lowest(self._training.dev)
        return place

    def _lowest(self, count: int) -> dict[int, Problem]:
        found = sorted(self.candidates.items(), key=lambda item: dev_rank(item[1]))
        return dict(found[:count])

    def hold_out(self) -> dict[int, Problem]:
        """Return the dev problems by place: the lowest hashes, `dev` of them or a tenth of all, whichever is less."""
        return self._lowest(min(self._training.dev, len(self.prompts) // HELD_OUT_SHARE))

    def asking(self, keys: Collection[int]) -> set[int]:
        """Return the places of the problems that ask one of these questions, whatever their ids are."""
        return {place for place, one in enumerate(self.keys) if one in keys}

    def kept(self, held_out: Iterable[int]) -> Numbers:
        """Return the places of the completions whose problems are not held out."""
        numpy = load_numpy()
        owners = numpy.asarray(self.problem_of, dtype=numpy.int64)
        return numpy.flatnonzero(~numpy.isin(owners, list(held_out)))

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


class Asking:
    """How a question is said to a student and where its answer ends, in tokens."""

    def __init__(self, tokenizer: Any, training: Training) -> None:
        self.words: PromptSet = load_prompts(training.prompts)
        self.method, self.asked = training.asks
        self._tokenizer, self._template = tokenizer, template_of(tokenizer, "the base")

    def prompt(self, question: Messages) -> list[int]:
        """Return the tokens of a question in the chat template, up to where the student begins."""
        return self._tokens(self._templated(question, begins=True))

    def evaluated(self, problem: Problem) -> list[int]:
        """Return the tokens a problem is asked with in evaluation: the prompt set's words for the method."""
        return self.prompt(self.words.render(self.method, Prompt(self.asked, problem)))

    def is_asked_so(self, problem: Problem, tokens: list[int], question: Messages) -> bool:
        """Tell whether evaluation asks in these tokens, and a whole conversation begins with them and can end."""
        begun = self._templated(question, begins=True)
        whole = self._templated(question, answer="A.")
        rest = whole.removeprefix(begun + "A.")
        ends = not rest.strip() or self._tokenizer.eos_token_id in self._tokens(rest)[:2]
        return tokens == self.evaluated(problem) and whole.startswith(begun) and ends

    def complete(self, texts: list[str]) -> Iterator[list[int]]:
        """Return the tokens of completions, each with the end token; what looks like a special token is text."""
        if not texts:
            return iter(())
        rows = self._tokenizer(texts, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        return ([*row, self._tokenizer.eos_token_id] for row in rows)

    def _templated(self, question: Messages, *, answer: str | None = None, begins: bool = False) -> str:
        said = () if answer is None else (Message("assistant", answer),)
        try:
            return self._template.render((*question, *said), begins=begins)
        except CallFailed as error:
            raise UsageError(error.what, error.hint) from None

    def _tokens(self, text: str) -> list[int]:
        tokens: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return tokens
