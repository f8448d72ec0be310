"""What a word sum is made of: frames of openings, moves and endings, read from `frames/*.toml`.

A sum is written `s=s+x`: `s` is the story's running number, `t` a number on the side, `x` and `y` are given in the
text. In texts `{N}` and `{M}` are two people, `{he}`, `{He}`, `{him}`, `{his}`, `{His}` stand for `{N}`, `{items}` and
`{item}` for the frame's things.
"""

from functools import cache
from importlib.resources import files

import msgspec

Span = tuple[int, int]
# In this order: a seed draws frames by their number.
_FILES = ("at_home", "in_town", "of_measures", "of_money")


class Step(msgspec.Struct, frozen=True, array_like=True):
    """One step of the plan, and the sum it asks for (none where the step only names the number to start with)."""

    plan: str
    sum: str = ""


class Move(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that happens: what the story says, the steps it takes, and the spans `x` and `y` are drawn from."""

    say: str
    steps: tuple[Step, ...] = ()
    x: Span = (2, 9)
    y: Span = (2, 9)

    @property
    def operations(self) -> int:
        """The number of operations it takes."""
        return sum(1 for step in self.steps if step.sum)


class Frame(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A story to fill: one opening, some moves in this order, one ending, and perhaps an aside that does not matter.

    `items` are its things, each by plural and singular.
    """

    name: str
    openings: tuple[Move, ...]
    moves: tuple[Move, ...]
    endings: tuple[Move, ...]
    asides: tuple[str, ...]
    items: tuple[tuple[str, str], ...] = (("", ""),)


class _File(msgspec.Struct, forbid_unknown_fields=True):
    frames: tuple[Frame, ...]


@cache
def load_frames() -> tuple[Frame, ...]:
    """Return all frames, read once."""
    folder = files(__package__).joinpath("frames")
    bodies = (folder.joinpath(f"{name}.toml").read_bytes() for name in _FILES)
    return tuple(frame for body in bodies for frame in msgspec.toml.decode(body, type=_File).frames)
