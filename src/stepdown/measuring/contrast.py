"""Contrast sets: how often a question and its minimally changed partner are both answered right.

Contrast consistency: Gardner et al. (2020), Findings of EMNLP, arXiv 2004.02709, section 2.
"""

from collections import Counter
from collections.abc import Iterator
from statistics import median

import msgspec

from stepdown.errors import UsageError
from stepdown.graders import majority_grade
from stepdown.stats import mcnemar_exact, paired_interval, wilson
from stepdown.store import Run
from stepdown.types import Problem, Verdict

Answered = tuple[Problem, Verdict]


class Consistency(msgspec.Struct, frozen=True, kw_only=True):
    """A run and the run on its contrast set, over the `pairs` of problems of which both are graded.

    All shares are of 1 and of these pairs, with 95 % Wilson intervals: `accuracy` on the original problems,
    `contrast_accuracy` on their partners, `consistency` of both right; `difference` is contrast minus original with its
    score interval and exact McNemar p. What cannot be known is None. `ungraded` pairs lack a grade on a side,
    `alone` problems (of either run) have no partner. `alike` is the median share of words that partners share:
    near 1 for a contrast set, near 0 where ids pair by accident.
    """

    run: str
    contrast: str
    method: str
    student: str
    dataset: str
    contrast_dataset: str
    pairs: int
    both: int
    right: int
    contrast_right: int
    ungraded: int
    alone: int
    alike: float | None
    consistency: float | None
    consistency_low: float
    consistency_high: float
    accuracy: float | None
    low: float
    high: float
    contrast_accuracy: float | None
    contrast_low: float
    contrast_high: float
    difference: float | None
    difference_low: float
    difference_high: float
    p: float


def consistency(run: Run, contrast: Run, *, grader: str = "", contrast_grader: str = "") -> Consistency:
    """Pair two runs by the part of their ids after the data set's name; several samples count by their vote.

    Keeps the first run's problems in memory. Raises `UsageError` where no problem of one is a partner of the other's,
    or an id is not the only one of its name.
    """
    first = _by_problem(run, grader)
    partners = _by_problem(contrast, contrast_grader)
    paired = sorted(first.keys() & partners.keys())
    if run.id == contrast.id or not paired:
        raise UsageError(
            f"no problem of run `{contrast.id}` ({contrast.settings.dataset}) is a partner of one of run `{run.id}`"
            f" ({run.settings.dataset})",
            "partners have the same id after the data set's name, such as `imdb/dev/12` and `imdb/contrast/12`",
        )
    verdicts = Counter((first[index][1], partners[index][1]) for index in paired)
    return _counted(
        run,
        contrast,
        verdicts,
        alone=len(first) + len(partners) - 2 * len(paired),
        alike=median(_alike(first[index][0], partners[index][0]) for index in paired),
    )


def _by_problem(run: Run, grader: str) -> dict[str, Answered]:
    by_id: dict[str, Answered] = {}
    for index, answered in _answers(run, grader):
        if index in by_id:
            raise UsageError(f"two problems of run `{run.id}` end in `{index}`", "give each an id of its own")
        by_id[index] = answered
    return by_id


def _answers(run: Run, grader: str) -> Iterator[tuple[str, Answered]]:
    for attempts in run.by_problem(grader):
        problem = attempts[0][0].problem
        yield _shared_id(problem.id, run.settings.dataset), (problem, majority_grade(attempts).verdict)


def _shared_id(identity: str, dataset: str) -> str:
    """What tells a problem from the others of its data set; of an id that does not begin with it, the last part."""
    rest = identity.removeprefix(f"{dataset}/")
    return rest if rest != identity else identity.rpartition("/")[2]


def _alike(one: Problem, other: Problem) -> float:
    words, others = (set(problem.question.casefold().split()) for problem in (one, other))
    return len(words & others) / max(1, len(words | others))


def _counted(
    run: Run, contrast: Run, verdicts: Counter[tuple[Verdict, Verdict]], *, alone: int, alike: float
) -> Consistency:
    both, lost, won = verdicts["right", "right"], verdicts["right", "wrong"], verdicts["wrong", "right"]
    pairs = both + lost + won + verdicts["wrong", "wrong"]
    consistent, original, changed = (wilson(count, pairs) for count in (both, both + lost, both + won))
    apart = paired_interval(won, lost, pairs)
    return Consistency(
        run=run.id,
        contrast=contrast.id,
        method=run.settings.method,
        student=run.settings.student,
        dataset=run.settings.dataset,
        contrast_dataset=contrast.settings.dataset,
        pairs=pairs,
        both=both,
        right=both + lost,
        contrast_right=both + won,
        ungraded=verdicts.total() - pairs,
        alone=alone,
        alike=alike,
        consistency=both / pairs if pairs else None,
        consistency_low=consistent[0],
        consistency_high=consistent[1],
        accuracy=(both + lost) / pairs if pairs else None,
        low=original[0],
        high=original[1],
        contrast_accuracy=(both + won) / pairs if pairs else None,
        contrast_low=changed[0],
        contrast_high=changed[1],
        difference=(won - lost) / pairs if pairs else None,
        difference_low=apart[0],
        difference_high=apart[1],
        p=mcnemar_exact(won, lost),
    )
