"""What a worked solution calculates: its expressions in order, read as text, bounded and never evaluated as code."""

import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from operator import add, mul, sub, truediv

import msgspec

_LONGEST, _MOST = 200, 40
_NUMBER = r"\d[\d,]*(?:\.\d+)?|\.\d+"
# `<<48/2=24>>` (GSM8K), `5 * 4 = 20` (word sums), or the solution is one expression (SVAMP, ASDiv).
_MARKED = re.compile(r"<<([^<>=]{1,200})=([^<>=]{1,40})>>")
_STATED = re.compile(rf"((?:{_NUMBER})(?: [-+*/] (?:{_NUMBER}))+) = ((?:{_NUMBER}))")
_TOKEN = re.compile(rf"\s*({_NUMBER}|[-+*/()])")
_SIGNS: Mapping[str, tuple[int, Callable[[Fraction, Fraction], Fraction]]] = {
    "+": (1, add), "-": (1, sub), "*": (2, mul), "/": (2, truediv),
}  # fmt: skip


class Sum(msgspec.Struct, frozen=True):
    """An expression as its tokens, numbers among them; `stated` is the result that the solution gives, if it does."""

    tokens: tuple[Fraction | str, ...]
    stated: Fraction | None = None

    @property
    def numbers(self) -> tuple[Fraction, ...]:
        """The numbers of the expression, in order."""
        return tuple(token for token in self.tokens if isinstance(token, Fraction))

    def result(self, numbers: Sequence[Fraction]) -> Fraction | None:
        """Return what comes out with other numbers in their places; None for what cannot be calculated."""
        given = iter(numbers)
        return _calculated([next(given) if isinstance(token, Fraction) else token for token in self.tokens])


def sums_of(solution: str) -> list[Sum]:
    """Return the sums of a worked solution in order; none where a part of it cannot be read as arithmetic."""
    found = _MARKED.findall(solution) or _STATED.findall(solution)
    if not found and len(solution) <= _LONGEST:
        left, _, right = solution.partition("=")
        found = [(left, right.split("(")[0].strip())]
    sums = [_sum(left, stated) for left, stated in found[: _MOST + 1]]
    return [one for one in sums if one is not None] if sums and None not in sums and len(sums) <= _MOST else []


def _sum(left: str, stated: str) -> Sum | None:
    tokens, result = _tokens(left), _tokens(stated) if stated else ()
    if tokens is None or result is None or len(result) > 1 or not any(isinstance(one, Fraction) for one in tokens):
        return None
    return Sum(tokens, result[0] if result and isinstance(result[0], Fraction) else None)


def _tokens(text: str) -> tuple[Fraction | str, ...] | None:
    at, tokens, text = 0, [], text.strip()
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            return None
        word = token[1]
        tokens.append(word if word in "+-*/()" else Fraction(word.replace(",", "")))
        at = token.end()
    return tuple(tokens)


def _calculated(tokens: Sequence[Fraction | str]) -> Fraction | None:
    """Calculate by two stacks; None for what is no expression, or divides by 0."""
    values: list[Fraction] = []
    signs: list[str] = []
    try:
        for token in tokens:
            if isinstance(token, Fraction):
                values.append(token)
            elif token == "(":
                signs.append(token)
            else:
                rank = 0 if token == ")" else _SIGNS[token][0]
                while signs and signs[-1] != "(" and _SIGNS[signs[-1]][0] >= rank:
                    _apply(values, signs.pop())
                if token != ")":
                    signs.append(token)
                elif signs.pop() != "(":
                    return None
        while signs:
            _apply(values, signs.pop())
    except (IndexError, KeyError, ZeroDivisionError):
        return None
    return values[0] if len(values) == 1 else None


def _apply(values: list[Fraction], sign: str) -> None:
    right, left = values.pop(), values.pop()
    values.append(_SIGNS[sign][1](left, right))
