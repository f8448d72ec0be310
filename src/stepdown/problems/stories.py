"""What a word sum is made of: frames of openings, moves and endings, and the sums that run through them.

A sum is written `s=s+x`: `s` is the story's running number, `t` a number on the side, `x` and `y` are given in the
text. In texts `{N}` and `{M}` are two people, `{he}`, `{He}`, `{him}`, `{his}`, `{His}` stand for `{N}`, `{items}` and
`{item}` for the frame's things.
"""

import msgspec

Span = tuple[int, int]


class Step(msgspec.Struct, frozen=True):
    """One step of the plan, and the sum it asks for (none where the step only names the number to start with)."""

    plan: str
    sum: str = ""


class Move(msgspec.Struct, frozen=True):
    """Something that happens: what the story says, the steps it takes, and the spans `x` and `y` are drawn from."""

    say: str
    steps: tuple[Step, ...] = ()
    x: Span = (2, 9)
    y: Span = (2, 9)

    @property
    def operations(self) -> int:
        """The number of operations it takes."""
        return sum(1 for step in self.steps if step.sum)


class Frame(msgspec.Struct, frozen=True):
    """A story to fill: one opening, some moves in this order, one ending, and perhaps an aside that does not matter."""

    name: str
    openings: tuple[Move, ...]
    moves: tuple[Move, ...]
    endings: tuple[Move, ...]
    asides: tuple[str, ...]
    items: tuple[tuple[str, str], ...] = (("", ""),)


def start(say: str, plan: str, x: Span = (12, 90)) -> Move:
    """Open with a number that is given."""
    return Move(say, (Step(plan),), x)


def start_groups(say: str, plan: str, x: Span = (3, 9), y: Span = (4, 15)) -> Move:
    """Open with x groups of y."""
    return Move(say, (Step(plan, "s=x*y"),), x, y)


def gain(say: str, plan: str, x: Span = (5, 60)) -> Move:
    """Add x."""
    return Move(say, (Step(plan, "s=s+x"),), x)


def lose(say: str, plan: str, x: Span = (3, 25)) -> Move:
    """Take x away."""
    return Move(say, (Step(plan, "s=s-x"),), x)


def times(say: str, plan: str, x: Span = (2, 9)) -> Move:
    """Multiply by x."""
    return Move(say, (Step(plan, "s=s*x"),), x)


def share(say: str, plan: str, x: Span = (2, 12)) -> Move:
    """Divide by x without a remainder."""
    return Move(say, (Step(plan, "s=s/x"),), x)


def lack(say: str, plan: str, x: Span = (5, 60)) -> Move:
    """Ask what is missing from x to the running number; the span is that of the missing part."""
    return Move(say, (Step(plan, "s=x-s"),), x)


def gain_groups(say: str, first: str, second: str, x: Span = (2, 8), y: Span = (2, 12)) -> Move:
    """Add x groups of y."""
    return Move(say, (Step(first, "t=x*y"), Step(second, "s=s+t")), x, y)


def lose_groups(say: str, first: str, second: str, x: Span = (2, 5), y: Span = (2, 6)) -> Move:
    """Take x groups of y away."""
    return Move(say, (Step(first, "t=x*y"), Step(second, "s=s-t")), x, y)


def ask(say: str) -> Move:
    """End with a question that needs no further sum."""
    return Move(say)


def things(*names: str) -> tuple[tuple[str, str], ...]:
    """Return plural and singular of things whose plural is a plain s; `lilies/lily` gives both."""
    pairs = (name.partition("/") for name in names)
    return tuple((plural, singular or plural.removesuffix("s")) for plural, _, singular in pairs)
