"""The worth of a small formula at fixed points: exact where it is rational, without ever evaluating text as code.

Two formulas that agree at every point are taken as equal (polynomial identity testing: Schwartz 1980). Depth,
length and exponents are bounded, so hostile text costs nothing; what this grammar cannot read is None, never
an error.
"""

import cmath
import math
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import lru_cache
from random import Random

Value = Fraction | complex
Values = tuple[Value, ...]

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+\.\d*\\(?:overline|bar)\s?\{?\d+\}?|\d+(?:\.\d+)?|\.\d+)"
    r"|\\(?P<command>[a-zA-Z]+)|(?P<letter>[a-zA-Zα-ωΑ-Ω](?:_(?:[0-9a-zA-Z]|\{[0-9a-zA-Z]{1,9}\}))?'{0,2})"
    r"|(?P<sign>[-+*/^(){}\[\]|!_,]))"
)
_REPEATING = re.compile(r"(\d+)\.(\d*)\\(?:overline|bar)\s?\{?(\d+)\}?")
_FUNCTIONS: Mapping[str, Callable[[complex], complex]] = {
    "sin": cmath.sin, "cos": cmath.cos, "tan": cmath.tan, "ln": cmath.log, "exp": cmath.exp,
    "arcsin": cmath.asin, "arccos": cmath.acos, "arctan": cmath.atan,
    "sec": lambda value: 1 / cmath.cos(value), "csc": lambda value: 1 / cmath.sin(value),
    "cot": lambda value: cmath.cos(value) / cmath.sin(value),
    "sinh": cmath.sinh, "cosh": cmath.cosh, "tanh": cmath.tanh,
}  # fmt: skip
_INVERSE = {"sin": "arcsin", "cos": "arccos", "tan": "arctan"}
_GREEK = frozenset(
    {
        "alpha", "beta", "gamma", "delta", "epsilon", "varepsilon", "zeta", "eta", "theta", "vartheta", "iota", "kappa",
        "lambda", "mu", "nu", "xi", "rho", "sigma", "tau", "phi", "varphi", "chi", "psi", "omega", "Gamma", "Delta",
        "Theta", "Lambda", "Sigma", "Phi", "Psi", "Omega", "infty", "ell",
    }
)  # fmt: skip
# At the last point every letter is negative: there `\sqrt{x^2}` is not `x`.
POINTS = 5
_DEEPEST = 40
_LONGEST = 1000
_BITS = 20_000


class Unreadable(ValueError):
    """The formula is not in the grammar, too deep or too large."""


@lru_cache(maxsize=4096)
def evaluate(formula: str) -> Values | None:
    """Return the value of a LaTeX formula at five fixed settings of its letters, or None if it cannot be read.

    A value is a fraction where only rational operations led to it, else complex. `i` is the imaginary unit and `e`
    Euler's number; `\\pi` and every other letter's values are fixed.
    """
    if len(formula) > _LONGEST:
        return None
    try:
        tokens = _tokens(formula)
        return tuple(_Reading(tokens, point).whole() for point in range(POINTS))
    except (Unreadable, ArithmeticError, ValueError):
        return None


def close(one: Values, other: Values) -> bool | None:
    """Tell whether two worths agree at every point, None where that hangs on a sign or on rounding."""
    verdicts = [_near(a, b) for a, b in zip(one, other, strict=True)]
    if all(verdicts):
        return True
    return False if False in verdicts[:-1] else None


def constant(values: Values) -> bool:
    """Tell whether a formula has the same value at every point."""
    return all(_near(value, values[0]) is True for value in values[1:])


def letters(formula: str) -> frozenset[str]:
    """Return the names of unknowns in a formula: letters (with subscripts) and Greek commands."""
    try:
        tokens = _tokens(formula[:_LONGEST])
    except Unreadable:
        return frozenset()
    names = {token.replace("{", "").replace("}", "") for token in tokens if token[0].isalpha() and token not in "ie"}
    return frozenset(names | {token for token in tokens if token[1:] in _GREEK and token != "\\infty"})


def _near(one: Value, other: Value) -> bool | None:
    if isinstance(one, Fraction) and isinstance(other, Fraction):
        return one == other
    a, b = complex(one), complex(other)
    apart, size = abs(a - b), max(abs(a), abs(b))
    if apart <= 1e-9 * size or apart <= 1e-13:
        return True
    return None if apart <= 1e-6 * size else False


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


@lru_cache(maxsize=4096)
def setting(name: str, point: int) -> Fraction:
    """Return what an unknown is set to at a point: the same in every process, positive but at the last point."""
    size = Fraction(Random(f"{name}/{point}").randrange(200, 3000), 1009)
    return -size if point == POINTS - 1 else size


def _power(base: Value, exponent: Value) -> Value:
    if isinstance(exponent, Fraction) and exponent.denominator == 1 and isinstance(base, Fraction):
        size = max(base.numerator.bit_length(), base.denominator.bit_length())
        if abs(exponent) * size <= _BITS:
            return base ** int(exponent)
    if isinstance(exponent, Fraction) and exponent.denominator > 1 and isinstance(base, Fraction) and base >= 0:
        root = _exact_root(base, exponent.denominator)
        if root is not None:
            return _power(root, Fraction(exponent.numerator))
    if abs(complex(exponent)) > 4096:
        raise Unreadable("exponent")
    return complex(base) ** complex(exponent)


def _exact_root(value: Fraction, degree: int) -> Fraction | None:
    if degree > 64 or max(value.numerator, value.denominator) >= 2**900:
        return None
    tops = round(float(value.numerator) ** (1 / degree)), round(float(value.denominator) ** (1 / degree))
    return Fraction(*tops) if tops[1] and Fraction(tops[0] ** degree, tops[1] ** degree) == value else None


def _root(value: Value, degree: Value) -> Value:
    negative = isinstance(value, Fraction) and value < 0
    if negative and isinstance(degree, Fraction) and degree.denominator == 1 and degree % 2 == 1:
        return -_power(-value, 1 / degree)
    return _power(value, 1 / degree)


def _literal(token: str) -> Fraction:
    repeating = _REPEATING.fullmatch(token)
    if repeating is None:
        if len(token) > 400:
            raise Unreadable("digits")
        return Fraction(token)
    whole, head, cycle = repeating.groups()
    if len(token) > 100:
        raise Unreadable("digits")
    first = Fraction(int(whole + head), 10 ** len(head))
    return first + Fraction(int(cycle), 10 ** len(head) * (10 ** len(cycle) - 1))


class _Reading:
    """One pass over the tokens by recursive descent: sums of products of powers of atoms."""

    def __init__(self, tokens: list[str], point: int) -> None:
        self.tokens, self.point, self.at, self.depth = tokens, point, 0, 0

    def whole(self) -> Value:
        value = self.sum()
        if self.at < len(self.tokens) or not (isinstance(value, Fraction) or cmath.isfinite(value)):
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

    def sum(self) -> Value:
        value = self.product()
        while self.peek() in ("+", "-"):
            value = value + self.product() if self.take() == "+" else value - self.product()
            self.bounded(value)
        return value

    def product(self) -> Value:
        value = self.signed()
        while (token := self.peek()) and token not in ("+", "-", ")", "}", "]", "|", ",", "\\rvert", "\\rfloor"):
            if token in ("*", "\\cdot", "\\times"):
                self.take()
                value = value * self.signed()
            elif token in ("/", "\\div"):
                self.take()
                value = value / self.signed()
            else:
                value = value * self.power()
            self.bounded(value)
        return value

    def bounded(self, value: Value) -> None:
        if (
            isinstance(value, Fraction)
            and max(value.numerator.bit_length(), value.denominator.bit_length()) > 2 * _BITS
        ):
            raise Unreadable("too large")

    def signed(self) -> Value:
        sign = 1
        while self.peek() in ("+", "-"):
            sign = -sign if self.take() == "-" else sign
        return sign * self.power()

    def power(self) -> Value:
        value = self.atom()
        while self.peek() == "!":
            self.take()
            value = _factorial(value)
        if self.peek() != "^":
            return value
        self.take()
        return _power(value, self.argument(signed=True))

    def atom(self) -> Value:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise Unreadable("too deep")
        value = self.opened(self.take())
        self.depth -= 1
        return value

    def opened(self, token: str) -> Value:
        if token[0].isdigit() or token[0] == ".":
            return _literal(token)
        if token in ("(", "{", "[", "|", "\\lvert"):
            value = self.sum()
            self.take({"(": ")", "{": "}", "[": "]", "|": "|", "\\lvert": "\\rvert"}[token])
            return _absolute(value) if token in ("|", "\\lvert") else value
        if token.startswith("\\"):
            return self.command(token[1:])
        return self.letter(token)

    def letter(self, token: str) -> Value:
        if not token[0].isalpha():
            raise Unreadable(token)
        known = {"i": 1j, "e": complex(cmath.e), "π": complex(cmath.pi)}
        return known.get(token) or setting(token.replace("{", "").replace("}", ""), self.point)

    def command(self, name: str) -> Value:
        if name in ("frac", "dfrac", "tfrac", "cfrac"):
            top = self.argument()
            return top / self.argument()
        if name in ("binom", "dbinom", "tbinom"):
            return _binomial(self.argument(), self.argument())
        if name == "sqrt":
            return self.radical()
        if name in _FUNCTIONS or name == "log":
            return self.function(name)
        if name == "pi":
            return complex(cmath.pi)
        if name in _GREEK:
            return setting(name, self.point)
        raise Unreadable(name)

    def radical(self) -> Value:
        degree: Value = Fraction(2)
        if self.peek() == "[":
            self.take()
            degree = self.sum()
            self.take("]")
        return _root(self.argument(), degree)

    def function(self, name: str) -> Value:
        exponent, base = Fraction(1), 10 + 0j
        if self.peek() == "_" and name == "log":
            self.take()
            base = complex(self.argument())
        if self.peek() == "^":
            self.take()
            raised = self.argument(signed=True)
            if raised == -1 and name in _INVERSE:
                name = _INVERSE[name]
            elif isinstance(raised, Fraction):
                exponent = raised
            else:
                raise Unreadable("exponent")
        value = complex(self.applied())
        result = cmath.log(value) / cmath.log(base) if name == "log" else _FUNCTIONS[name](value)
        return _power(result, exponent)

    def applied(self) -> Value:
        """Read what a function is applied to: `(x)`, `{x}`, or as in `\\sin 2x` the atoms that follow."""
        if not re.match(r"[\da-zA-Z.]|\\pi|\\theta|\\alpha|\\frac", self.peek()):
            return self.power() if self.peek() in ("(", "{", "[") else self.signed()
        value = self.power()
        while re.match(r"[a-zA-Z]|\\pi|\\theta|\\alpha|\\beta", self.peek()):
            value = value * self.power()
        return value

    def argument(self, *, signed: bool = False) -> Value:
        """Read `{...}`, `(...)` or, as TeX does, one single token: `\\frac12` is a half."""
        token = self.peek()
        if signed and token == "-":
            self.take()
            return -self.argument()
        if token.isdigit() and len(token) > 1 and not signed:
            self.tokens = [*self.tokens[: self.at], token[0], token[1:], *self.tokens[self.at + 1 :]]
        return self.atom()


def _absolute(value: Value) -> Value:
    return abs(value) if isinstance(value, Fraction) else complex(abs(value))


def _factorial(value: Value) -> Fraction:
    if not isinstance(value, Fraction) or value.denominator != 1 or not 0 <= value <= 500:
        raise Unreadable("factorial")
    return Fraction(math.factorial(int(value)))


def _binomial(top: Value, bottom: Value) -> Fraction:
    for value in (top, bottom):
        if not isinstance(value, Fraction) or value.denominator != 1 or not 0 <= value <= 1000:
            raise Unreadable("binomial")
    return Fraction(math.comb(int(top.real), int(bottom.real)))
