"""Prepared data sets: a corpus tokenised for a base and checked, with its dev problems set apart."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from typing import Any

import msgspec

from stepdown.corpus import Corpus, questions_of_teachers
from stepdown.errors import UsageError
from stepdown.models.local import Base, BaseLocation
from stepdown.models.weights import SeenQuestions, TrainingData, file_hash, seen_by
from stepdown.questions import key, keys_of
from stepdown.text import percent
from stepdown.training.checks import check_corpus
from stepdown.training.contamination import refuse_test_questions
from stepdown.training.examples import Examples
from stepdown.training.sampling_order import IntArray
from stepdown.training.settings import USUAL_BETAS, USUAL_TOKENS, Training
from stepdown.types import Chain, Problem, fingerprint

# What may differ between a command and its repetition without making it another training.
INCIDENTAL: dict[str, Any] = {"allow": (), "checkpoints": 1, "tokens_per_pass": USUAL_TOKENS, "checkpointing": False}


class TrainingProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a training has come: `words` where there is something to say, else the figures of a step.

    `loss` is in nats, per trained token (SFT) or per pair (DPO), `margin` the mean over a step's pairs (DPO),
    `divergence` the sampled reverse KL in nats per token (on-policy);
    `tokens_per_second` counts the tokens of all rows, none of them padding; `dev` is the share of dev problems right,
    or of held-out pairs with a margin above 0, None at most steps.
    """

    seed: int
    step: int = 0
    steps: int = 0
    loss: float | None = None
    margin: float | None = None
    divergence: float | None = None
    tokens_per_second: float | None = None
    dev: float | None = None
    words: str = ""

    def __str__(self) -> str:
        figures = (
            "" if self.loss is None else f"loss {self.loss:.3f}",
            "" if self.margin is None else f"margin {self.margin:+.3f}",
            "" if self.divergence is None else f"reverse KL {self.divergence:.3f}",
            "" if self.dev is None else f"dev {percent(self.dev)} % right",
            "" if self.tokens_per_second is None else f"{self.tokens_per_second:,.0f} tokens/s",
        )
        return self.words or f"seed {self.seed}, step {self.step}/{self.steps}: " + " · ".join(filter(None, figures))


OnProgress = Callable[[TrainingProgress], None]


class PreparedDataset(msgspec.Struct, frozen=True, kw_only=True):
    """A corpus tokenised for a base, checked, with its dev problems set apart; one for all seeds that learn the same.

    `trained` and `held_out` are numbers of examples. `dev` are the problems that choose the checkpoint, `dev_examples`
    the held-out examples that do where the objective compares them instead of solving problems.
    """

    base: BaseLocation
    training: Training
    examples: Examples
    trained: IntArray
    held_out: IntArray
    dev: tuple[Problem, ...]
    compares_dev: bool
    lessons: TrainingData
    met: SeenQuestions
    notes: tuple[str, ...]
    beside: tuple[str, ...] = ()

    @property
    def identity(self) -> str:
        """Hash of everything that determines the trained weights.

        `beside` is what the base says that its source does not: the hash of a folder's config, the revision of a hub
        name. 0.1.0 left it out, so `earlier_identities` are those of its students.
        """
        return self._identity(USUAL_TOKENS, self.beside)

    @property
    def identities(self) -> tuple[str, str]:
        """The identity, and as it was when the tokens of a pass were a part of it."""
        return self.identity, self._identity(self.training.tokens_per_pass, self.beside)

    @property
    def earlier_identities(self) -> tuple[str, str]:
        """The same without what the base says beside its weights."""
        return self._identity(USUAL_TOKENS, ()), self._identity(self.training.tokens_per_pass, ())

    def _identity(self, tokens: int, beside: tuple[str, ...]) -> str:
        beta = USUAL_BETAS.get(self.training.objective) if self.training.beta is None else self.training.beta
        # As identities were first written, when 0.1 was the default of every objective and `dpo-norm` was given its 5.
        written = None if beta == USUAL_BETAS["dpo"] else beta
        settings = msgspec.structs.replace(self.training, **{**INCIDENTAL, "tokens_per_pass": tokens, "beta": written})
        dev = [problem.id for problem in self.dev]
        determining = [settings, self.base.name, self.base.source, self.examples.fingerprint, dev]
        return fingerprint([*determining, list(beside)] if beside else determining)


def prepare_datasets(
    corpus: Iterable[Chain], base: Base, training: Training, dev: Sequence[Problem] | None, report: OnProgress
) -> Iterator[PreparedDataset]:
    """Give the data set of each seed in turn: one for all, but sentences are shuffled by each seed in its own way."""
    dataset = _prepare(corpus, base, training, dev, report)
    yield dataset
    for seed in count(training.seed + 1):
        settings = msgspec.structs.replace(training, seed=seed)
        if training.target == "shuffled":
            # In another order some chain may be a few tokens longer: no reason to stop once a student is trained.
            lenient = msgspec.structs.replace(settings, allow=(*training.allow, "cut"))
            dataset = _prepare(corpus, base, lenient, dev, report)
        dataset = msgspec.structs.replace(dataset, training=settings)
        yield dataset


def _prepare(
    corpus: Iterable[Chain], base: Base, training: Training, dev: Sequence[Problem] | None, report: OnProgress
) -> PreparedDataset:
    """Read and check the corpus, and set the dev problems apart."""
    examples = Examples(base.tokenizer, training).read(corpus)
    if isinstance(corpus, Iterator) and "test" not in training.allow:
        refuse_test_questions("", dict(zip(examples.keys, examples.places, strict=True)))
    words = check_corpus(examples.survey, len(examples.prompts), training)
    places, problems = set_apart(examples, training, dev)
    trained, held_out = examples.split(places)
    if not len(trained):
        raise UsageError("all problems of the corpus are dev problems", "give other dev problems, or more chains")
    words += f"; {len(problems):,} dev problems, {len(places):,} of them taken out of the corpus"
    report(TrainingProgress(seed=training.seed, words=words))
    seen_questions = _met(corpus, base.location, examples, problems).plus(seen_by(training.teacher) or SeenQuestions())
    return PreparedDataset(
        base=base.location,
        training=training,
        examples=examples,
        trained=trained,
        held_out=held_out,
        dev=problems,
        compares_dev=dev is None and examples.objective.evaluate is not None and len(held_out) > 0,
        lessons=msgspec.structs.replace(_lessons(corpus, examples), unknown=seen_questions.unknown),
        met=seen_questions,
        notes=(*base.notes, words, *_shuffling(training)),
        beside=_beside(base),
    )


def _beside(base: Base) -> tuple[str, ...]:
    """Return what decides how a base computes, beside the weights that its source is the hash of."""
    if base.location.gguf is not None:
        return ()
    if base.location.folder is not None:
        return (file_hash(base.location.folder / "config.json"),)
    return (base.source,) if base.source else ()


def _shuffling(training: Training) -> tuple[str, ...]:
    return (f"the sentences of each chain are shuffled by seed {training.seed}",) * (training.target == "shuffled")


def set_apart(
    examples: Examples, training: Training, dev: Sequence[Problem] | None
) -> tuple[set[int], tuple[Problem, ...]]:
    """Return the places of the corpus's problems that are not trained on, and the dev problems."""
    # A plan is no answer: no grader could choose between checkpoints, so the last one is kept; pairs are compared.
    unread = training.target == "plan" and (dev is not None or examples.objective.evaluate is None)
    if unread or not (training.evaluations and training.dev):
        return set(), ()
    if dev is None:
        held_out = examples.hold_out()
        return examples.asking({examples.keys[index] for index in held_out}), tuple(held_out.values())
    if not dev:
        raise UsageError("there are no dev problems", "give some, or leave `dev` out to hold some of the corpus out")
    return examples.asking({key(one) for one in dev}), tuple(dev)


def problems_of(chains: Iterable[Chain]) -> Iterator[Problem]:
    """Stream the problems of chains, each once where its chains lie together."""
    before: Problem | None = None
    for chain in chains:
        if chain.problem is not before:
            before = chain.problem
            yield before


def dataset_of(corpus: Iterable[Chain]) -> str:
    """Return the name of a corpus's data set, empty where it is not a corpus folder's."""
    return corpus.card.dataset if isinstance(corpus, Corpus) else ""


def _met(corpus: Iterable[Chain], base: BaseLocation, examples: Examples, dev: Sequence[Problem]) -> SeenQuestions:
    """Return what a student has met: what it is taught, what chooses its checkpoint, and what those behind it met."""
    seen_questions = SeenQuestions(frozenset(examples.keys) | keys_of(dev)).plus(seen_by(base.name) or SeenQuestions())
    if isinstance(corpus, Corpus):
        return seen_questions.plus(SeenQuestions(corpus.behind, corpus.card.unknown))
    return seen_questions.plus(questions_of_teachers(examples.survey.teachers))


def _lessons(corpus: Iterable[Chain], examples: Examples) -> TrainingData:
    """Return what the student's card says of its corpus."""
    card = corpus.card if isinstance(corpus, Corpus) else None
    filters = corpus.filters if isinstance(corpus, Corpus) else ()
    return TrainingData(
        dataset=card.dataset if card else "",
        content=card.content if card else examples.objective.content,
        target=examples.objective.target,
        teachers=dict(examples.survey.teachers),
        fingerprint=card.fingerprint if card and not filters else examples.fingerprint,
        problems=len(examples.prompts),
        chains=examples.survey.chains,
        selection=(*(one.filter for one in (card.selection if card else ())), *filters),
        licence=card.licence if card else "",
    )
