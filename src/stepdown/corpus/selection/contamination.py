"""The filter `decontaminate`: problems that an evaluation set holds too, in whole or in a run of words, go."""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import msgspec

from stepdown.corpus.selection.filters import Filter, FilterSpec, Group
from stepdown.corpus.selection.tables import by_problem
from stepdown.problems import Fingerprint, Problems, load_problems
from stepdown.questions import key, words
from stepdown.tabular import SUFFIXES
from stepdown.types import Problem

_LEAST, _MOST = 8, 13
_EXAMPLES = 20


class NgramIndex(msgspec.Struct, frozen=True):
    """An evaluation set's questions and their runs of `size` words, by hash, each with the id of its problem."""

    size: int
    count: int
    questions: dict[int, str]
    runs: dict[int, str]

    def finds(self, problem: Problem) -> str:
        """Return why a problem counts as held by the set, empty where it does not."""
        text = words(problem.question)
        same = self.questions.get(key(problem))
        if same is not None:
            return f"the same question as `{same}`"
        for run in _runs(text, self.size):
            held = self.runs.get(_hashed(run))
            if held is not None:
                return f"shares \u201c{' '.join(run)}\u201d with `{held}`"
        return ""


def decontaminate(request: FilterSpec) -> Filter:
    """Return the filter that drops problems which share a run of words with an evaluation set."""
    value, _, size = request.value.rpartition(":")
    if not (value and size.isdecimal()):
        value, size = request.value, ""
    length = request.whole(size) if size else None
    evaluation = _evaluation(request, value)

    @cache
    def held() -> NgramIndex:
        found = index(evaluation, length)
        if not found.count:
            raise request.refused("a set with problems", f"`{evaluation.dataset}` has none, so that nothing would go")
        return found

    definition = _definition(evaluation.dataset, length or "N")
    found = request.surveyed(definition, lambda _: _ready(request, evaluation.dataset, held()))
    return msgspec.structs.replace(found, reads=lambda: _fingerprint(evaluation))


def _fingerprint(problems: Problems) -> str:
    found = Fingerprint()
    for problem in problems:
        found.add(problem)
    return found.digits


def _definition(dataset: str, size: int | str) -> str:
    return (
        f"problems whose question neither equals one of {dataset} nor shares a run of {size} words with one, without"
        " case and punctuation (Brown et al. 2020, appendix C, whose length of runs is the evaluation set's 5th"
        " percentile of question lengths, from 8 to 13 words)"
    )


def index(problems: Problems, size: int | None = None) -> NgramIndex:
    """Read an evaluation set once; without a size, the runs are as long as its 5th percentile of lengths, 8 to 13."""
    asked = [(one.id, key(one), words(one.question)) for one in problems]
    lengths = sorted(len(text) for _, _, text in asked)
    short = lengths[len(lengths) // 20] if lengths else _LEAST
    chosen = size or min(max(short, _LEAST), _MOST)
    return NgramIndex(
        size=chosen,
        count=len(asked),
        questions={one: name for name, one, _ in reversed(asked)},
        runs={_hashed(run): name for name, _, text in reversed(asked) for run in _runs(text, chosen)},
    )


def _evaluation(request: FilterSpec, value: str) -> Problems:
    """Return the problems a value names: `gsm8k/test`, a file, or a benchmark's own file by `gsm8k=FILE`."""
    if not value:
        raise request.refused(
            "a data set or a file", "such as `decontaminate=gsm8k/test` or `decontaminate=test.jsonl`"
        )
    name, given, data = value.partition("=")
    if given and not Path(value).exists():
        return load_problems(name, data=data)
    if Path(value).suffix.lower() in SUFFIXES or Path(value).exists():
        return load_problems(value)
    name, _, split = value.partition("/")
    return load_problems(name, split=split or None)


def _ready(request: FilterSpec, dataset: str, held: NgramIndex) -> Filter:
    gone: set[int] = set()
    examples: list[str] = []

    def keep(group: Group) -> Group:
        why = held.finds(group[0].problem) if group else ""
        if why and hash(group[0].problem.id) not in gone:
            gone.add(hash(group[0].problem.id))
            if len(examples) < _EXAMPLES:
                examples.append(f"`{group[0].problem.id}`: {why}")
        return [] if why else group

    def report(hands: Sequence[tuple[int, list[str]]] = ()) -> str:
        count = sum(one for one, _ in hands) if hands else len(gone)
        shown = [line for _, lines in hands for line in lines][:_EXAMPLES] if hands else examples
        rule = (
            f"equal to one of the {held.count:,} problems of {dataset}, or {held.size} words in a row shared with one"
        )
        head = f"{count:,} {'problem' if count == 1 else 'problems'} went: {rule}"
        rest = [f"and {count - len(shown):,} more"] if count > len(shown) else []
        return "\n".join([head, *shown, *rest])

    return Filter(
        request.text,
        _definition(dataset, held.size),
        keep,
        report=report,
        columns=by_problem(keep),
        notes=lambda: (len(gone), list(examples)),
    )


def _runs(text: list[str], size: int) -> Iterator[list[str]]:
    return (text[at : at + size] for at in range(len(text) - size + 1))


def _hashed(text: list[str]) -> int:
    return hash(" ".join(text))
