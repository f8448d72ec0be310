"""Loading problems: benchmarks, files of one's own and generated word sums, each a stream of problems."""

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from functools import partial
from hashlib import blake2b
from itertools import islice
from pathlib import Path

import msgspec

from stepdown.errors import BadRow, StepdownError, UnknownName, UsageError
from stepdown.object_stores import address_of
from stepdown.plugins import Found, find, is_task_file, names
from stepdown.problems import (
    commonsenseqa,
    gsm8k,
    hendrycks_math,
    imdb,
    neqa,
    openbookqa,
    quarel,
    sst2,
    svamp,
    wordsums,
)
from stepdown.problems.benchmarks import Benchmark, Dataset, HubFiles
from stepdown.problems.files import Columns, read_problem
from stepdown.problems.hub import fetch_files, fetch_from_hub
from stepdown.tabular import SUFFIXES, Row, Rows, clip_value, find_file, read_rows
from stepdown.text import Table, clipped, fragment, html_table, html_text
from stepdown.types import Kind, Problem

BENCHMARKS = {
    benchmark.about.name: benchmark
    for benchmark in (
        gsm8k.BENCHMARK,
        hendrycks_math.MATH,
        hendrycks_math.MATH500,
        commonsenseqa.BENCHMARK,
        imdb.BENCHMARK,
        neqa.BENCHMARK,
        openbookqa.BENCHMARK,
        quarel.BENCHMARK,
        sst2.BENCHMARK,
        svamp.BENCHMARK,
    )
}

SHOWN = 3
FoundRow = Row | None
Placed = Generator[tuple[FoundRow, Problem], None, None]
Source = Callable[[], Iterator[tuple[FoundRow, Problem]]]


class ProblemSetSummary(msgspec.Struct, frozen=True):
    """What one pass over problems found: how many, 32 hexadecimal digits for all of them in order, and their kinds."""

    count: int
    fingerprint: str
    kinds: dict[Kind, int] = {}


class Fingerprint:
    """What stands for problems in their order, one after the other."""

    def __init__(self) -> None:
        self._digest, self._encode = blake2b(digest_size=16), msgspec.json.Encoder().encode

    def add(self, problem: Problem) -> None:
        """Add the next problem."""
        self._digest.update(self._encode(problem) + b"\n")

    @property
    def digits(self) -> str:
        """32 hexadecimal digits for all that were added."""
        return self._digest.hexdigest()


class Problems:
    """Problems that are read again from their source at each iteration; none are kept in memory.

    `dataset` is their name with the split (`gsm8k/test`). `problems[3]` reads up to the fourth. `is_here`: reading them
    fetches nothing. `known` is what a look found that need not be taken again: a command that has taken it sets it.
    """

    def __init__(self, dataset: str, source: Source, *, id_column: str = "id", is_here: bool = True) -> None:
        self.dataset = dataset
        self.source, self.id_column, self.is_here = source, id_column, is_here
        self.known: ProblemSetSummary | None = None

    def __repr__(self) -> str:
        return f"Problems({self.dataset!r})"

    def _repr_html_(self) -> str:
        # Looking at it must not fetch it.
        if not self.is_here:
            return fragment(f"problems of {self.dataset}", html_text("read from the hub when they are iterated"))
        try:
            shown = enumerate(islice(self, SHOWN), 1)
            rows = tuple((str(at), one.id, clipped(one.question, 200), one.answer) for at, one in shown)
        except StepdownError as error:
            return fragment(f"problems of {self.dataset}", html_text(str(error)))
        table = Table(f"The first {len(rows)}", ("#", "id", "question", "gold"), rows, 4)
        return fragment(f"problems of {self.dataset}", html_table(table))

    def __iter__(self) -> Iterator[Problem]:
        return (problem for _, problem in self.places())

    def __getitem__(self, index: int) -> Problem:
        if index < 0:
            raise UsageError(f"problems are streamed, so there is no `[{index}]`", "count from 0")
        for problem in islice(self, index, None):
            return problem
        raise IndexError(f"there are not {index + 1} problems in {self.dataset}")

    def places(self) -> Placed:
        """Stream the problems, each with the row it came from, if any; closing this closes the source's file."""
        yield from self.source()

    def check(self) -> ProblemSetSummary:
        """Read every problem once and return their number and fingerprint.

        Raises `BadRow` at the first row that is not what its format promises or that repeats an id, `UsageError`
        where there are no problems. Ids are kept as 8-byte hashes.
        """
        keys: set[bytes] = set()
        kinds: Counter[Kind] = Counter()
        fingerprint = Fingerprint()
        with closing(self.places()) as places:
            for index, problem in places:
                key = blake2b(problem.id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
                if key in keys:
                    raise self.duplicate(index, problem.id)
                keys.add(key)
                fingerprint.add(problem)
                kinds[problem.kind] += 1
        if not keys:
            raise UsageError(f"there are no problems in `{self.dataset}`", "lower `--offset`, or name other data")
        return ProblemSetSummary(count=len(keys), fingerprint=fingerprint.digits, kinds=dict(kinds))

    def duplicate(self, index: FoundRow, identity: str) -> UsageError:
        """Return the error of an id that was seen before."""
        if index is None:
            return UsageError(f"two problems of `{self.dataset}` have the id `{identity}`", "give each its own")
        return BadRow(index.file, index.line, self.id_column, f"an id of its own, but `{identity}` came before")


def load_problems(
    name: str,
    *,
    split: str | None = None,
    limit: int | None = None,
    offset: int = 0,
    data: str | Path | None = None,
    columns: Columns | None = None,
    seed: int = 0,
    code: bool = False,
) -> Problems:
    """Return a lazy view of `limit` problems from place `offset` on.

    `name` is a benchmark (from the hub, or from `data`, a file in its published format), `wordsums` or `wordsums-N`
    (N operations, from `seed`), or the path of a file read by `columns`. With `columns`, `data` may be any file and
    `name` any name. A file may be one of the hub:
    `hf://datasets/OWNER/NAME@COMMIT/FILE`. A problem's id is `dataset/split/place`, or ends in the row's own id where
    the format has one.
    With `code` it may also be a task file of lm-evaluation-harness (`gsm8k.yaml`), of which nothing is run, a plugin's
    or one in a file (`my.py:rows`), which runs that code: never for a name from
    elsewhere. Raises `UnknownName` for a name or split there is not, `UsageError` for a file that cannot be read,
    `MissingExtra`; a bad row is met by `check` or by iterating.
    """
    if offset < 0 or (limit is not None and limit < 1):
        raise UsageError(
            f"limit `{limit}` from offset `{offset}` is not a part of a data set", "limit >= 1, offset >= 0"
        )
    part = (offset, limit)
    if code and is_task_file(name):
        return _of_task(name, split, part, alone=data is None and columns is None)
    if data is not None and columns is not None:
        return load_file(name, split, part, data_file(data), columns)
    if name in BENCHMARKS and columns is None:
        return load_benchmark(BENCHMARKS[name], split, part, data)
    if name in wordsums.NAMES and columns is None and data is None:
        return load_wordsums(name, known_split(wordsums.about(name), split), part, seed)
    if data is None and (Path(name).suffix.lower() in SUFFIXES or Path(name).exists()):
        return load_file(Path(name).stem, split, part, data_file(name), columns or Columns())
    if name in BENCHMARKS or name in wordsums.NAMES:
        raise UsageError(f"`{name}` has its own source and columns", "leave out the names of columns, or add `--data`")
    found = find("problems", name) if code and data is None and columns is None else None
    if found is None:
        raise UnknownName("data set", name, [*BENCHMARKS, *wordsums.NAMES, *(names("problems") if code else ())])
    return as_problems(found, split, part)


def as_problems(found: Found, split: str | None = None, part: "Part" = (0, None)) -> Problems:
    """Return a part of a user's object as problems: an iterable of `Problem`, or what returns one (given the split)."""
    dataset = f"{found.name}/{split}" if split else found.name
    start, limit = part

    def source() -> Placed:
        value = found.value
        if callable(value):
            value = value(split) if split else value()
        if not isinstance(value, Iterable):
            raise found.refused("an iterable of problems, or a function that returns one")
        for index, problem in islice(enumerate(value), start, None if limit is None else start + limit):
            if not isinstance(problem, Problem):
                raise found.refused(f"problems, and its row {index} is a `{type(problem).__name__}`")
            yield None, problem if problem.id else msgspec.structs.replace(problem, id=f"{dataset}/{index}")

    return Problems(dataset, source)


def _of_task(name: str, split: str | None, part: "Part", *, alone: bool) -> Problems:
    """Return a part of the problems of another harness's task file, which says itself where its data are."""
    if not alone:
        raise UsageError(f"`{name}` has its own data and columns", "leave out `--data` and names of columns")
    found = find("problems", name)
    if found is None:
        raise UsageError(f"`{name}` is no task file", "a filter's name belongs to `--grader`")
    return as_problems(found, split, part)


def data_file(path: str | Path) -> Path:
    """Return where a data file lies: on this machine, or in the hub's cache for an address of the hub."""
    address = address_of(path)
    return find_file(path if address is None else fetch_from_hub(address))


def hub_files(name: str) -> HubFiles | None:
    """Return where the hub keeps a data set of this name; None for one that it does not have."""
    return BENCHMARKS[name].hub if name in BENCHMARKS else None


def is_on_hub(repo: str, split: str) -> bool:
    """Whether a benchmark is kept in a repository of the hub, with this split."""
    return any(one.hub.repo == repo and one.hub.files.get(split) for one in BENCHMARKS.values())


def files_on_hub(repo: str, split: str) -> list[Path]:
    """Return a split's files of a repository that a benchmark is kept in, at its pinned commit."""
    return fetch_files(next(one.hub for one in BENCHMARKS.values() if one.hub.repo == repo), split)


def datasets() -> list[Dataset]:
    """Return every named data set, generated ones first."""
    return [wordsums.about(name) for name in wordsums.NAMES] + [one.about for one in BENCHMARKS.values()]


Part = tuple[int, int | None]


def load_benchmark(benchmark: Benchmark, split: str | None, part: Part, data: str | Path | None) -> Problems:
    """Return a part of a benchmark, from a local file or from the hub."""
    about = benchmark.about
    path = None if data is None else data_file(data)
    named = split if split or path is None else split_of(path, about)
    chosen = known_split(about, named)

    def rows() -> Rows:
        for one in [path] if path else fetch_files(benchmark.hub, chosen):
            yield from read_rows(one)

    dataset = f"{about.name}/{chosen}"
    return Problems(dataset, partial(select_part, dataset, rows, benchmark.read, part), is_here=path is not None)


def load_file(dataset: str, split: str | None, part: Part, path: Path, columns: Columns) -> Problems:
    """Return a part of anybody's file."""
    full = f"{dataset}/{split}" if split else dataset
    source = partial(select_part, full, partial(read_rows, path), partial(read_problem, columns=columns), part)
    return Problems(full, source, id_column=columns.id or "id")


def load_wordsums(name: str, split: str, part: Part, seed: int) -> Problems:
    """Return a part of the generated word sums; the seed is in the data set's name where it is not 0."""
    offset, limit = part
    dataset = f"{name}/{split}" if seed == 0 else f"{name}/{split}/seed-{seed}"

    def source() -> Placed:
        drawn = wordsums.generate(wordsums.NAMES[name], split, seed)
        for index, problem in islice(enumerate(drawn), offset, offset + (limit or wordsums.DEFAULT_COUNT)):
            yield None, msgspec.structs.replace(problem, id=f"{dataset}/{index}")

    return Problems(dataset, source)


def select_part(dataset: str, rows: Callable[[], Rows], read: Callable[[Row], Problem], part: Part) -> Placed:
    """Stream the problems of a part of some rows, each with its row and its full id."""
    offset, limit = part
    end = None if limit is None else offset + limit
    with closing(rows()) as rows_read:
        for index, row in islice(enumerate(rows_read), offset, end):
            problem = read(row)
            own = problem.id.removeprefix(dataset.rpartition("/")[2] + "/") or str(index)
            if not own.isprintable():
                raise row.bad("id", f"an id that can be printed, found {clip_value(own)}")
            yield row, msgspec.structs.replace(problem, id=f"{dataset}/{own}")


def known_split(about: Dataset, split: str | None) -> str:
    """Return a split's name in a data set, the first where none is named; `validation` is `dev`."""
    name = about.splits[0] if split is None else {"validation": "dev"}.get(split, split)
    if name not in about.splits:
        raise UnknownName(f"split of `{about.name}`", name, about.splits)
    return name


def split_of(path: Path, about: Dataset) -> str | None:
    """Return the one split a file's name speaks of (`train_rand_split.jsonl`), None where it speaks of none."""
    words = set(path.stem.lower().replace("-", "_").split("_"))
    splits = {"dev" if word in ("valid", "validation", "val") else word for word in words}
    named = [split for split in about.splits if split in splits]
    # A contrast set is also named after the split it was made from: `dev_contrast.tsv`.
    named = ["contrast"] if "contrast" in named else named
    return named[0] if len(named) == 1 else None
