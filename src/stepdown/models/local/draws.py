"""One reply that an engine of this machine is to write, and how whoever waits for it hears."""

from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from math import isfinite
from random import Random

from stepdown.errors import CallFailed, StepdownError
from stepdown.types import Finish, Reply, Sampling, Usage


@dataclass(slots=True, eq=False)
class RowDraw:
    """A draw that waits or is under way: its prompt, the tokens written so far, the sum of their log-probabilities.

    `room` is how many tokens it may have. `numbers` come from its own `source`, by its seed, one for each token at a
    temperature above 0. `finish` is "" until it has ended; then `text` is what it says.
    """

    prompt: list[int]
    sampling: Sampling
    seed: int
    room: int
    future: "Future[Reply]" = field(default_factory=Future)
    tokens: list[int] = field(default_factory=list)
    score: float = 0.0
    text: str = ""
    finish: str = ""
    numbers: list[float] = field(default_factory=list)
    source: Random = field(init=False)

    def __post_init__(self) -> None:
        self.source = Random(self.seed)

    @property
    def read(self) -> list[int]:
        """All tokens up to where it writes on."""
        return self.prompt + self.tokens

    @property
    def need(self) -> int:
        """How many tokens it has at most, the prompt's among them."""
        return len(self.prompt) + self.room

    @property
    def going(self) -> bool:
        """Whether it has not ended, and somebody waits for it."""
        return not self.finish and not self.future.done()

    def number(self) -> float:
        """Return the number that its next token is drawn by: the same one until that token is written."""
        if not self.sampling.temperature > 0:
            return 0.0
        if len(self.numbers) == len(self.tokens):
            self.numbers.append(self.source.random())
        return self.numbers[-1]

    def settle(self, outcome: Reply | StepdownError) -> None:
        """Tell whoever waits, once; a caller that went away has cancelled its future."""
        with suppress(InvalidStateError):
            if isinstance(outcome, Reply):
                self.future.set_result(outcome)
            else:
                self.future.set_exception(outcome)

    def answer(self) -> None:
        """Tell whoever waits what was written."""
        if not isfinite(self.score):
            self.settle(
                CallFailed(
                    "the model's scores are no numbers (NaN or infinite)",
                    "its weights may be damaged, or overflow in float16: serve them in the dtype they were trained in",
                )
            )
            return
        usage = Usage(input=len(self.prompt), output=len(self.tokens))
        finish: Finish = "length" if self.finish == "length" else "stop"
        mean = self.score / len(self.tokens)
        self.settle(Reply(text=self.text, model="", usage=usage, finish=finish, logprob=mean))
