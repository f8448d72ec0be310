"""Lessons: a corpus tokenised for a base and checked, with its dev problems set apart; what students of it share."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count

import msgspec

from stepdown.corpus import Corpus
from stepdown.corpus.folder import questions_of_teachers
from stepdown.errors import UsageError
from stepdown.models.weights import SeenQuestions, TrainingData, file_hash, seen_by
from stepdown.questions import key, keys_of
from stepdown.training.bases import Base, Found
from stepdown.training.checks import check_corpus
from stepdown.training.contamination import refuse_asked
from stepdown.training.examples import Examples
from stepdown.training.sampling_order import Numbers
from stepdown.training.settings import Training
from stepdown.types import Chain, Problem, fingerprint

# What may differ between a command and its repetition without making it another training.
INCIDENTAL = {"allow": (), "checkpoints": 1}


class Progressed(msgspec.Struct, frozen=True, kw_only=True):
    """How far a training has come: `words` where there is something to say, else the figures of a step.

    `loss` is in nats per trained token, `tokens_per_second` counts the tokens of all rows, none of them padding;
    `dev` is the share of dev problems right, None at most steps.
    """

    seed: int
    step: int = 0
    steps: int = 0
    loss: float | None = None
    tokens_per_second: float | None = None
    dev: float | None = None
    words: str = ""


Progress = Callable[[Progressed], None]


class Lesson(msgspec.Struct, frozen=True, kw_only=True):
    """What a student learns, what it is asked, and what is said of it; one for all seeds that learn the same."""

    found: Found
    training: Training
    examples: Examples
    kept: Numbers
    dev: tuple[Problem, ...]
    lessons: TrainingData
    met: SeenQuestions
    notes: tuple[str, ...]
    progress: Progress
    force: bool
    beside: tuple[str, ...] = ()

    @property
    def identity(self) -> str:
        """What stands for this training: the same command has the same.

        `beside` is what the base says that its source does not: the hash of a folder's config, the revision of a hub
        name. 0.1.0 left it out, so `earlier_identity` is that of its students.
        """
        return fingerprint([*self._said, list(self.beside)]) if self.beside else self.earlier_identity

    @property
    def earlier_identity(self) -> str:
        """The same without what the base says beside its weights."""
        return fingerprint(self._said)

    @property
    def _said(self) -> list[object]:
        settings = msgspec.structs.replace(self.training, **INCIDENTAL)
        asked = [problem.id for problem in self.dev]
        return [settings, self.found.name, self.found.source, self.examples.fingerprint, asked]


def prepare_lessons(
    corpus: Iterable[Chain],
    base: Base,
    training: Training,
    dev: Sequence[Problem] | None,
    given: tuple[Progress, bool],
) -> Iterator[Lesson]:
    """Give the lesson of each seed in turn: one for all, but sentences are shuffled by each seed in its own way."""
    lesson = _prepare(corpus, base, training, dev, given)
    yield lesson
    for seed in count(training.seed + 1):
        settings = msgspec.structs.replace(training, seed=seed)
        if training.target == "shuffled":
            # In another order some chain may be a few tokens longer: no reason to stop once a student is trained.
            lesson = _prepare(
                corpus, base, msgspec.structs.replace(settings, allow=(*training.allow, "cut")), dev, given
            )
        lesson = msgspec.structs.replace(lesson, training=settings)
        yield lesson


def _prepare(
    corpus: Iterable[Chain],
    base: Base,
    training: Training,
    dev: Sequence[Problem] | None,
    given: tuple[Progress, bool],
) -> Lesson:
    """Read and check the corpus, and set the dev problems apart."""
    examples = Examples(base.tokenizer, training).read(corpus)
    if isinstance(corpus, Iterator) and "test" not in training.allow:
        refuse_asked("", dict(zip(examples.keys, examples.places, strict=True)))
    words = check_corpus(examples.survey, len(examples.prompts), training)
    held_out, problems = set_apart(examples, training, dev)
    kept = examples.kept(held_out)
    if not len(kept):
        raise UsageError("all problems of the corpus are dev problems", "give other dev problems, or more chains")
    words += f"; {len(problems):,} dev problems, {len(held_out):,} of them taken out of the corpus"
    given[0](Progressed(seed=training.seed, words=words))
    met = _met(corpus, base.found, examples, problems)
    return Lesson(
        found=base.found,
        training=training,
        examples=examples,
        kept=kept,
        dev=problems,
        lessons=msgspec.structs.replace(_lessons(corpus, examples, training), unknown=met.unknown),
        met=met,
        notes=(*base.notes, words, *_shuffling(training)),
        progress=given[0],
        force=given[1],
        beside=_beside(base),
    )


def _beside(base: Base) -> tuple[str, ...]:
    """Return what decides how a base computes, beside the weights that its source is the hash of."""
    if base.found.gguf is not None:
        return ()
    if base.found.folder is not None:
        return (file_hash(base.found.folder / "config.json"),)
    return (base.source,) if base.source else ()


def _shuffling(training: Training) -> tuple[str, ...]:
    return (f"the sentences of each chain are shuffled by seed {training.seed}",) * (training.target == "shuffled")


def set_apart(
    examples: Examples, training: Training, dev: Sequence[Problem] | None
) -> tuple[set[int], tuple[Problem, ...]]:
    """Return the places of the corpus's problems that are not trained on, and the dev problems."""
    # A plan is no answer: no grader could choose between checkpoints, so the last one is kept.
    if training.target == "plan" or not (training.evaluations and training.dev):
        return set(), ()
    if dev is None:
        held_out = examples.hold_out()
        return examples.asking({examples.keys[place] for place in held_out}), tuple(held_out.values())
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
    """Return the name of a corpus's data set, empty where it is no corpus folder's."""
    return corpus.card.dataset if isinstance(corpus, Corpus) else ""


def _met(corpus: Iterable[Chain], found: Found, examples: Examples, dev: Sequence[Problem]) -> SeenQuestions:
    """Return what a student has met: what it is taught, what chooses its checkpoint, and what those behind it met."""
    met = SeenQuestions(frozenset(examples.keys) | keys_of(dev)).plus(seen_by(found.name) or SeenQuestions())
    if isinstance(corpus, Corpus):
        return met.plus(SeenQuestions(corpus.behind, corpus.card.unknown))
    return met.plus(questions_of_teachers(examples.survey.teachers))


def _lessons(corpus: Iterable[Chain], examples: Examples, training: Training) -> TrainingData:
    """Return what the student's card says of its corpus."""
    card = corpus.card if isinstance(corpus, Corpus) else None
    filters = corpus.filters if isinstance(corpus, Corpus) else ()
    return TrainingData(
        dataset=card.dataset if card else "",
        content=card.content if card else "plan" if training.target == "plan" else "chain",
        target=training.target,
        teachers=dict(examples.survey.teachers),
        fingerprint=card.fingerprint if card and not filters else examples.fingerprint,
        problems=len(examples.prompts),
        chains=examples.survey.chains,
        selection=(*(one.filter for one in (card.selection if card else ())), *filters),
        licence=card.licence if card else "",
    )
