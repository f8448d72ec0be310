"""What keeps a student from learning token by token of a teacher: each fault fails silently where it is not refused."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import msgspec

from stepdown.errors import UsageError
from stepdown.models.local import BaseLocation, load_tokenizer
from stepdown.training.objectives import load_objective
from stepdown.training.scoring_teachers import TeacherReading, TokenizerReading, identify_teacher, is_elsewhere, read_by
from stepdown.training.settings import Training
from stepdown.training.world import launched
from stepdown.types import Chain, Message, Messages

ON_POLICY = "on-policy"
# How many of a corpus's chains are read by both.
_CHAINS = 20

# What tokenizers disagree on although their vocabularies have the same size: numbers, spaces, scripts, code, marks.
PROBES = (
    "The answer is 1,234.5, not 12 345.",
    "  two spaces,\ta tab,\n\n\ttwo lines",
    "naïve café — “quotes”, 中文, Ελλ, 🙂",
    "def f(x):\n    return x**2 # ok",
    "<|im_end|> </s> [INST] <think>",
)
CONVERSATIONS: tuple[Messages, ...] = (
    (Message("user", "What is 2 + 3?"),),
    (Message("system", "Be brief."), Message("user", "What is 2 + 3?")),
)
_HINT = "take a teacher of the student's own family, or distil its chains: `sample`, then `train` without `--then`"


def with_teacher(training: Training, base: BaseLocation, corpus: Iterable[Chain]) -> Training:
    """Return the settings with what identifies their teacher, which is found to read what the base writes.

    No weights are loaded. Raises `UsageError` for a teacher that reads other tokens, for several processes, and for
    a corpus that is a stream; otherwise as `find_base` and `find_endpoint` do.
    """
    if launched() > 1:
        raise UsageError("on-policy distillation trains in one process", "run the command without a launcher")
    if isinstance(corpus, Iterator):
        raise UsageError("on-policy distillation reads its corpus twice, and a stream only once", "give a list")
    _check_dev(training)
    identity = identify_teacher(training.teacher)
    found = [one for group in islice(_examples(corpus, training), _CHAINS) for one in group]
    texts, asked = [text for text, _ in found], [question for _, question in found]
    # An endpoint takes text that looks like a special token for one, so these have to be the same too.
    elsewhere = is_elsewhere(training.teacher)
    student = TokenizerReading(load_tokenizer(base), base.name, parses=elsewhere)
    texts += [student.special()] if elsewhere else []
    check_reading(student, read_by(training.teacher), training.teacher, texts=texts, asked=asked)
    return msgspec.structs.replace(training, teacher_source=identity.source)


def _check_dev(training: Training) -> None:
    if "weak-teacher" in training.allow or (training.dev and training.evaluations and training.target != "plan"):
        return
    way = "" if training.target == "plan" else "hold some out (leave `--dev-count` and `--evaluations` above 0), or "
    raise no_dev(training.teacher, way)


def no_dev(teacher: str, way: str) -> UsageError:
    """Return the error of a training without dev problems; `way` is another way out than to allow it."""
    return UsageError(
        f"there are no dev problems that would show that `{teacher}` is better than the student",
        f"{way}train although: `--allow weak-teacher`",
    )


def _examples(corpus: Iterable[Chain], training: Training) -> Iterator[list[tuple[str, Messages]]]:
    """Stream the texts of a corpus with what is asked for them."""
    objective = load_objective(training)
    for group in objective.groups(corpus):
        if (example := objective.example(group)) is not None:
            yield [(text, example.question) for text in example.completions]


def check_reading(
    student: TeacherReading,
    teacher: TeacherReading,
    name: str,
    *,
    texts: Iterable[str] = (),
    asked: Sequence[Messages] = (),
) -> None:
    """Raise `UsageError` where a teacher reads other tokens than its student writes, and say which.

    Compared are the numbers of all tokens where both tell them (not only how many there are), the end token, texts of
    the corpus and of `PROBES` as tokens, conversations in either's template, with `asked` of the corpus, and whether a
    reply ends as the student's do.
    """
    _check_vocabulary(student, teacher, name)
    for text in (*PROBES, *texts):
        own, other = student.tokens(text), teacher.tokens(text)
        if own != other:
            place = first_difference(own, other)
            raise UsageError(
                f"`{name}` reads `{_shown(text)}` as other tokens than the student: the first that differs is number "
                f"{place + 1}, `{_at(other, place)}` for `{_at(own, place)}`",
                _HINT,
            )
    for messages in (*CONVERSATIONS, *asked):
        own, other = student.prompt(messages), teacher.prompt(messages)
        if own != other:
            raise UsageError(
                f"the chat template of `{name}` renders a conversation otherwise than the student's: tokens differ "
                f"from number {first_difference(own, other) + 1} on, in `{_shown(messages[-1].content)}`",
                _HINT,
            )
    end = student.ends()
    if end is not None and not teacher.ends_by(end, teacher.prompt(CONVERSATIONS[0])):
        raise UsageError(f"`{name}` does not end its texts with token `{end}`, as the student does", _HINT)


def _check_vocabulary(student: TeacherReading, teacher: TeacherReading, name: str) -> None:
    """Compare the numbers of all tokens and the end token, where both tell them."""
    own, other = student.vocabulary(), teacher.vocabulary()
    if own is None or other is None:
        return
    differing = [token for token, number in own.items() if other.get(token) != number]
    differing += [token for token in other if token not in own]
    if differing:
        token = min(differing, key=lambda one: (own.get(one, other.get(one, 0)), one))
        raise UsageError(
            f"`{name}` has another vocabulary than the student: {len(differing):,} tokens differ, such as "
            f"`{_shown(token)}`, number `{own.get(token, 'none')}` of the student's and `{other.get(token, 'none')}` "
            f"of the teacher's ({len(own):,} and {len(other):,} tokens)",
            _HINT,
        )
    if student.ends() != teacher.ends():
        raise UsageError(
            f"`{name}` ends its texts with token `{teacher.ends()}`, and the student with `{student.ends()}`", _HINT
        )


def first_difference(one: Sequence[int], other: Sequence[int]) -> int:
    """Return the first place at which two rows differ."""
    pairs = zip(one, other, strict=False)
    return next((place for place, (left, right) in enumerate(pairs) if left != right), min(len(one), len(other)))


def _at(row: Sequence[int], place: int) -> object:
    return row[place] if place < len(row) else "none"


def _shown(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 40 else f"{line[:39]}…"
