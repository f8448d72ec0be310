"""One sentence more in a problem, about something that the question has nothing to do with."""

import re

from stepdown.problems.wordsums.generator import Draw
from stepdown.types import Problem

# Each with words of which none may stand in the problem: what it speaks of must not be asked for. Nobody is in them, so
# that a `she` further on is still the same person.
_ASIDES = (
    ("A museum across the street shows {d} paintings of horses.", ("museum", "painting", "picture", "horse", "street")),
    ("The town hall has a clock tower with {d} steps.", ("tower", "step", "stair", "clock", "town")),
    ("From the ferry one could see {d} seagulls that day.", ("gull", "bird", "ferry", "boat")),
    ("The choir next door knows {d} songs by heart.", ("song", "choir", "music", "sing")),
    ("The almanac on the wall lists {d} kinds of clouds.", ("almanac", "wall", "cloud", "kind")),
    ("A radio in the background reads out {d} lottery tickets.", ("radio", "ticket", "lottery")),
)
# What points back to the sentence before it.
_BACK = re.compile(r"(?:this|that|these|those|it|they|so|thus|therefore|however|the reason|because)\b", re.IGNORECASE)
_SENTENCES = re.compile(r"(?<=[.!?])\s+")
_DIGITS = re.compile(r"\d+")
_SPAN = (6, 48)


def with_distractor(problem: Problem, draw: Draw) -> Problem | str:
    """Return the problem with one sentence more before its last, or why there is none; the gold stays."""
    whole = " ".join((problem.question, *problem.choices, problem.answer, problem.solution))
    lower = whole.casefold()
    fitting = [say for say, words in _ASIDES if not any(word in lower for word in words)]
    if not fitting:
        return "every sentence of the list speaks of something that the problem does"
    numbers = set(map(int, _DIGITS.findall(whole[:10_000])))
    free = [one for one in range(_SPAN[0], _SPAN[1] + 1) if one not in numbers]
    if not free:
        return "no number is free"
    aside = draw.pick(fitting).format(d=draw.pick(free))
    *before, last = _SENTENCES.split(problem.question.strip())
    sentences = (aside, *before, last) if _BACK.match(last) else (*before, aside, last)
    question = " ".join(sentences)
    return Problem(id=problem.id, question=question, answer=problem.answer, choices=problem.choices, kind=problem.kind)
