"""The options that verbs share, in the groups their help shows."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter
from cyclopts.validators import Number

from stepdown.cli.console.terminal import say
from stepdown.errors import UsageError
from stepdown.models import Prices
from stepdown.models.http import TIMEOUT
from stepdown.problems import Columns, Problems, datasets, load_problems
from stepdown.prompts.stops import MOST
from stepdown.store import Store, default_path
from stepdown.store.empties import discard_if_empty
from stepdown.types import Kind, Sampling

# Groups of options in the order that help shows them.
CHOICE, SETTINGS, PROBLEMS, SAMPLING, MONEY, ENDPOINT, OUTPUT = (
    Group(name, sort_key=place)
    for place, name in enumerate(("What", "Settings", "Problems", "Sampling", "Money", "Endpoint", "Output"))
)
Limit = Annotated[int | None, Parameter(name=["--limit", "-n"], validator=Number(gte=1))]
Flag = Annotated[bool, Parameter(show_default=False)]
Json = Annotated[bool, Parameter(name="--json", show_default=False, group=OUTPUT)]
Place = Annotated[Path | None, Parameter(name="--store")]


@Parameter(name="*", group=PROBLEMS)
@dataclass(frozen=True, kw_only=True)
class ProblemOptions:
    """Which problems.

    Parameters
    ----------
    limit
        Take this many problems.
    offset
        Leave out the first ones.
    split
        The part of the data set, such as `test`; each data set has its default.
    data
        A local file, in the benchmark's published format or with the columns below: .jsonl, .json, .csv, .tsv,
        .parquet.
    question
        The column that holds the question.
    answer
        The column that holds the gold answer.
    choices
        The column that holds the choices, or several with commas between.
    id
        The column that holds each problem's own id.
    kind
        What an answer is; inferred row by row where not given, and said once at the start.
    problems_seed
        The seed of generated problems (`wordsums`).
    """

    limit: Limit = None
    offset: int = 0
    split: str | None = None
    data: Path | None = None
    question: str | None = None
    answer: str | None = None
    choices: str | None = None
    id: str | None = None
    kind: Kind | None = None
    problems_seed: int = 0

    def load(self, name: str, *, preferred: str = "") -> Problems:
        """Return the problems these options choose of a data set, of its `preferred` split unless one is named."""
        named = [one for one in datasets() if one.name == name and self.data is None]
        known = any(preferred in one.splits for one in named)
        found = load_problems(
            name,
            split=preferred if known and self.split is None else self.split,
            limit=self.limit,
            offset=self.offset,
            data=self.data,
            columns=self._columns(),
            seed=self.problems_seed,
        )
        if not named:
            say(told(found))
        return found

    def _columns(self) -> Columns | None:
        given = (self.question, self.answer, self.choices, self.id, self.kind)
        if all(one is None for one in given):
            return None
        return Columns(self.question, self.answer, self.choices, self.id, self.kind)


@Parameter(name="*", group=SAMPLING)
@dataclass(frozen=True, kw_only=True)
class SamplingOptions:
    """How replies are drawn.

    Parameters
    ----------
    temperature
        The student's temperature; 0 is greedy.
    top_p
        Draw from the likeliest tokens that make up this share.
    max_tokens
        The longest solution, in tokens.
    seed
        The seed of draws, where the endpoint takes one.
    teacher_temperature
        The teacher's temperature.
    teacher_max_tokens
        The longest plan, in tokens.
    stop
        End a solution before this text (`\\n` is a new line), up to four; `--stop ""` for none. Where not given,
        models that only complete text and those shown demonstrations end before they begin another problem.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 1024
    seed: int | None = None
    teacher_temperature: float = 0.0
    teacher_max_tokens: int = 1024
    stop: tuple[str, ...] | None = None

    def student(self) -> Sampling:
        """Return how solutions are drawn."""
        return checked(Sampling(self.temperature, self.top_p, self.max_tokens, self.seed))

    def teacher(self) -> Sampling:
        """Return how plans are drawn; a greedy plan is the same call under any seed and `--top-p`."""
        if self.teacher_temperature == 0:
            return checked(Sampling(max_tokens=self.teacher_max_tokens))
        return checked(Sampling(self.teacher_temperature, self.top_p, self.teacher_max_tokens, self.seed))


def stops_of(given: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Return stop sequences as a command line says them. Raises `UsageError` for more than an endpoint takes."""
    if given is None:
        return None
    stops = tuple(one.replace("\\n", "\n").replace("\\t", "\t") for one in given if one)
    if len(stops) > MOST:
        raise UsageError(f"`{len(stops)}` stop sequences", f"give up to {MOST}")
    return stops


def told(problems: Problems) -> str:
    """Read a file's problems once and say how many there are of each kind. Raises `BadRow` at the first bad row."""
    kinds = sorted(problems.check().kinds.items(), key=lambda kind: -kind[1])
    listed = ", ".join(f"{count:,} {kind}" for kind, count in kinds)
    return f"{problems.dataset}: {listed}" + ("; --kind takes all for one" if len(kinds) > 1 else "")


def checked(sampling: Sampling) -> Sampling:
    """Return the sampling. Raises `UsageError` for values no model takes."""
    if not 0 <= sampling.temperature <= 2:
        raise UsageError(f"a temperature of `{sampling.temperature:g}`", "give one from 0 (greedy) to 2")
    if not 0 < sampling.top_p <= 1:
        raise UsageError(f"`--top-p {sampling.top_p:g}` is no share of tokens", "give one above 0, up to 1")
    if sampling.max_tokens < 1:
        raise UsageError(f"at most `{sampling.max_tokens}` tokens leave no room for a reply", "give 1 or more")
    return sampling


@Parameter(name="*", group=MONEY)
@dataclass(frozen=True, kw_only=True)
class JudgeMoneyOptions:
    """What a judge may cost.

    Parameters
    ----------
    budget
        Stop before the judge of these runs has cost more US dollars than this, earlier commands' part included.
    max_tokens_total
        Stop before it has used more tokens than this.
    prices
        A JSON or TOML file of dollars per million tokens: {"openai/gpt-4o": {"input": 2.5, "output": 10.0}}.
    """

    budget: float | None = None
    max_tokens_total: int | None = None
    prices: Path | None = None

    def table(self) -> Prices:
        """Return the prices, the file's first."""
        return Prices(self.prices)

    def check(self) -> None:
        """Refuse limits under which nothing could be sent."""
        if self.budget is not None and not self.budget >= 0:  # nan is neither more nor less than anything
            raise UsageError(f"a budget of `{self.budget:g}` dollars", "give 0 or more")
        if self.max_tokens_total is not None and self.max_tokens_total < 1:
            raise UsageError(f"at most `{self.max_tokens_total}` tokens in total", "give 1 or more")


@Parameter(name="*", group=MONEY)
@dataclass(frozen=True, kw_only=True)
class MoneyOptions(JudgeMoneyOptions):
    """What it may cost.

    Parameters
    ----------
    budget
        Stop before the runs of this command have cost more US dollars than this, earlier commands' part included.
    max_tokens_total
        Stop before they have used more tokens than this, all roles together.
    prices
        A JSON or TOML file of dollars per million tokens: {"openai/gpt-4o": {"input": 2.5, "output": 10.0}}.
    estimate
        Say what the command would cost, send nothing and end.
    """

    estimate: Flag = False


@Parameter(name="*", group=ENDPOINT)
@dataclass(frozen=True, kw_only=True)
class EndpointOptions:
    """How endpoints are asked.

    Parameters
    ----------
    concurrency
        Keep this many calls under way per model; found by trying where not given.
    timeout
        Seconds one request may take.
    """

    concurrency: int | None = None
    timeout: float = TIMEOUT

    def check(self) -> None:
        """Refuse a time in which nothing could be answered."""
        if not self.timeout > 0:
            raise UsageError(f"a request may take `{self.timeout:g}` seconds", "give more than 0")


@Parameter(name="*", group=OUTPUT)
@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """Where results go.

    Parameters
    ----------
    store
        The store's file; otherwise `STEPDOWN_STORE`, or `stepdown.sqlite` here.
    json
        Write JSON to stdout, as docs/cli.md promises.
    """

    store: Place = None
    json: Json = False

    @property
    def place(self) -> Path:
        """The store's path."""
        return self.store or default_path()

    @contextmanager
    def open(self) -> Iterator[Store]:
        """Open the store for a `with`; made now if it is not there, and taken away again if nothing came into it."""
        there = self.place.exists()
        try:
            with Store(self.place) as store:
                yield store
        finally:
            if not there:
                discard_if_empty(self.place)

    def reopen(self) -> Store:
        """Open a store that is there, to write it. Raises `UsageError`."""
        return Store(self.there())

    def read(self) -> Store:
        """Open a store that is there, to read it, which never writes. Raises `UsageError`."""
        return Store(self.there(), reading=True)

    def there(self) -> Path:
        """Return the path of a store that is there. Raises `UsageError`."""
        if not self.place.exists():
            raise UsageError(
                f"there is no store `{self.place}`",
                "make one with `stepdown run` or `stepdown demo`, or name one with --store",
            )
        return self.place
