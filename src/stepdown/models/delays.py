"""What keeps the calls of an endpoint waiting, as data and in words."""

import msgspec

_TIMES = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_ENDINGS = {1: "st", 2: "nd", 3: "rd"}


class Delay(msgspec.Struct, frozen=True):
    """A call went wrong in a way that asking again may mend, and will be asked again in `seconds`.

    `name` is the model's, `reason` what went wrong, `status` the HTTP status that was answered (0 for none), `times`
    how often the call has gone wrong.
    """

    name: str
    reason: str
    status: int = 0
    seconds: int = 0
    times: int = 1

    @property
    def words(self) -> str:
        """What happened, and when it will be tried again for the how manieth time."""
        # A terminal's line is short, and has the provider already.
        name = self.name.rpartition("/")[2]
        what = f"`{name}` answered {self.status}" if self.status else f"`{name}`: {self.reason}"
        when = f"in {self.seconds} s" if self.seconds else "now"
        return f"{what}; asking again {when} ({ordinal(self.times)} time)"


def ordinal(number: int) -> str:
    """Return `first`, `second`... and from the eleventh on `11th`, `12th`..."""
    if number <= len(_TIMES):
        return _TIMES[number - 1]
    return f"{number}{'th' if 11 <= number % 100 <= 13 else _ENDINGS.get(number % 10, 'th')}"
