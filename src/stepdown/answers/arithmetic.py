"""The worth of a small formula, in floating point at fixed points, without ever evaluating text as code.

Two formulas that agree at every point are taken as equal (polynomial identity testing: Schwartz 1980). Depth,
length and exponents are bounded, so hostile text costs nothing; what this grammar cannot read is None, never
an error.
"""

import cmath
import re
from collections.abc import Callable, Mapping

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?|\.\d+)|\\(?P<command>[a-zA-Z]+)|(?P<letter>[a-zA-Z])|(?P<sign>[-+*/^(){}\[\]|!]))"
)
_FUNCTIONS: Mapping[str, Callable[[complex], complex]] = {
    "sqrt": cmath.sqrt, "sin": cmath.sin, "cos": cmath.cos, "tan": cmath.tan, "ln": cmath.log, "exp": cmath.exp,
    "arcsin": cmath.asin, "arccos": cmath.acos, "arctan": cmath.atan,
}  # fmt: skip
_POINTS = (0.737, 1.193, 2.411, -0.618)
_DEEPEST = 40
_LONGEST = 600


class Unreadable(ValueError):
    """The formula is not in the grammar, too deep or too large."""


def worth(formula: str) -> tuple[complex, ...] | None:
    """Return the value of a LaTeX formula at four fixed settings of its letters, or None if it cannot be read.

    `i` is the imaginary unit and `e` Euler's number; `\\pi` and every other letter's values are fixed.
    """
    if len(formula) > _LONGEST:
        return None
    try:
        tokens = _tokens(formula)
        return tuple(_Reading(tokens, point).whole() for point in _POINTS)
    except (Unreadable, ArithmeticError, ValueError):
        return None


def close(one: tuple[complex, ...], other: tuple[complex, ...]) -> bool:
    """Tell whether two worths agree to nine digits at every point."""
    return all(abs(a - b) <= 1e-9 * max(1.0, abs(a), abs(b)) for a, b in zip(one, other, strict=True))


def _tokens(formula: str) -> list[str]:
    tokens, at = [], 0
    formula = formula.rstrip()
    while at < len(formula):
        match = _TOKEN.match(formula, at)
        if match is None:
            raise Unreadable(formula[at : at + 20])
        tokens.append("\\" + match["command"] if match["command"] else match[0].strip())
        at = match.end()
    return tokens


class _Reading:
    """One pass over the tokens by recursive descent: sums of products of powers of atoms."""

    def __init__(self, tokens: list[str], point: float) -> None:
        self.tokens, self.point, self.at, self.depth = tokens, point, 0, 0

    def whole(self) -> complex:
        value = self.sum()
        if self.at < len(self.tokens) or not cmath.isfinite(value):
            raise Unreadable("rest")
        return value

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, *expected: str) -> str:
        token = self.peek()
        if not token or (expected and token not in expected):
            raise Unreadable(token)
        self.at += 1
        return token

    def sum(self) -> complex:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise Unreadable("too deep")
        value = self.product()
        while self.peek() in ("+", "-"):
            value = value + self.product() if self.take() == "+" else value - self.product()
        self.depth -= 1
        return value

    def product(self) -> complex:
        value = self.signed()
        while (token := self.peek()) and token not in ("+", "-", ")", "}", "]", "|"):
            if token in ("*", "\\cdot", "\\times"):
                self.take()
                value *= self.signed()
            elif token in ("/", "\\div"):
                self.take()
                value /= self.signed()
            else:
                value *= self.power()
        return value

    def signed(self) -> complex:
        sign = 1
        while self.peek() in ("+", "-"):
            sign = -sign if self.take() == "-" else sign
        return sign * self.power()

    def power(self) -> complex:
        value = self.atom()
        if self.peek() != "^":
            return value
        self.take()
        exponent = self.argument(signed=True)
        if abs(exponent) > 512:
            raise Unreadable("exponent")
        return value**exponent

    def atom(self) -> complex:
        token = self.take()
        if token[0].isdigit() or token[0] == ".":
            return complex(float(token))
        if token in ("(", "{", "[", "|"):
            value = self.sum()
            self.take({"(": ")", "{": "}", "[": "]", "|": "|"}[token])
            return complex(abs(value)) if token == "|" else value
        if token.startswith("\\"):
            return self.command(token[1:])
        return self.letter(token)

    def letter(self, token: str) -> complex:
        if not token.isalpha():
            raise Unreadable(token)
        known = {"i": 1j, "e": cmath.e}
        return known.get(token) or complex(self.point * (1 + ord(token) % 29 / 7))

    def command(self, name: str) -> complex:
        if name in ("frac", "dfrac", "tfrac"):
            top = self.argument()
            return top / self.argument()
        if name == "sqrt" and self.peek() == "[":
            self.take()
            root = self.sum()
            self.take("]")
            return _root(self.argument(), root)
        if name in _FUNCTIONS:
            return _FUNCTIONS[name](self.argument())
        if name == "pi":
            return complex(cmath.pi)
        raise Unreadable(name)

    def argument(self, *, signed: bool = False) -> complex:
        """Read `{...}`, `(...)` or, as TeX does, one single token: `\\frac12` is a half."""
        token = self.peek()
        if signed and token == "-":
            self.take()
            return -self.argument()
        if token.isdigit() and len(token) > 1 and not signed:
            self.tokens = [*self.tokens[: self.at], token[0], token[1:], *self.tokens[self.at + 1 :]]
        return self.atom()


def _root(value: complex, degree: complex) -> complex:
    if degree.imag == 0 and degree.real % 2 == 1 and value.imag == 0 and value.real < 0:
        return -((-value) ** (1 / degree))
    return value ** (1 / degree)
