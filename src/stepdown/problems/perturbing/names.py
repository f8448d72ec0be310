"""Other people in a word problem: first names that are hardly ever another word, for ones of the same gender."""

import re
from functools import cache
from importlib.resources import files

import msgspec

from stepdown.problems.wordsums.characters import MEN, WOMEN
from stepdown.problems.wordsums.generator import Draw
from stepdown.types import Problem

# A word of its own: no `Don` of `Don't` or `McDonald`.
_WORD = re.compile(r"(?<!\w)[A-Z][a-z]+(?!\w|['\u2019]t\b)")


class FirstNames(msgspec.Struct, frozen=True):
    """Names that are known for a person's."""

    women: frozenset[str]
    men: frozenset[str]


@cache
def known_names() -> FirstNames:
    """Return the names of the list and those of the word sums, read once."""
    body = files(__package__).joinpath("first_names.toml").read_bytes()
    listed = msgspec.toml.decode(body, type=FirstNames)
    return FirstNames(listed.women | set(WOMEN), listed.men | set(MEN))


def changed_names(problem: Problem, draw: Draw) -> Problem | str:
    """Return the problem with other people in question and choices, or why it cannot be; the gold stays."""
    texts = (problem.question, *problem.choices)
    found = list(dict.fromkeys(word for text in texts for word in _WORD.findall(text) if _others(word)))
    if not found:
        return "no first name of the list"
    if problem.kind == "text" and any(name in problem.answer for name in found):
        return "the gold is about a name"
    taken = {word for text in texts for word in _WORD.findall(text)}
    new: dict[str, str] = {}
    for name in found:
        free = [one for one in _others(name) if one not in taken]
        if not free:
            return "too many names"
        new[name] = draw.pick(free)
        taken.add(new[name])
    question, *choices = (_renamed(text, new) for text in texts)
    return Problem(id=problem.id, question=question, answer=problem.answer, choices=tuple(choices), kind=problem.kind)


def _others(name: str) -> tuple[str, ...]:
    """Return the names that may stand for a name; none for a word that is no name of the list."""
    known = known_names()
    if name in known.women:
        return WOMEN
    return MEN if name in known.men else ()


def _renamed(text: str, new: dict[str, str]) -> str:
    def other(found: re.Match[str]) -> str:
        name = new.get(found[0])
        # `James' cap`: the new names end in no s.
        bare = text[found.end() : found.end() + 1] == "'" and text[found.end() + 1 : found.end() + 2] != "s"
        return found[0] if name is None else f"{name}\0" if bare and found[0].endswith("s") else name

    return _WORD.sub(other, text).replace("\0'", "'s")
