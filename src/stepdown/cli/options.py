"""The options that verbs share beside the settings, and the groups their help shows."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter
from cyclopts.validators import Number

from stepdown.errors import UsageError
from stepdown.store import RunLabels, Store, check_name, check_tag, default_path, discard_if_empty

# Groups of options in the order that help shows them.
CHOICE, SETTINGS, PROBLEMS, SAMPLING, MONEY, ENDPOINT, WORK, OUTPUT = (
    Group(name, sort_key=position)
    for position, name in enumerate(("What", "Settings", "Problems", "Sampling", "Money", "Endpoint", "Work", "Output"))
)
Limit = Annotated[int | None, Parameter(name=["--limit", "-n"], validator=Number(gte=1))]
Buckets = Annotated[int | None, Parameter(validator=Number(gte=1), group=CHOICE)]
Flag = Annotated[bool, Parameter(show_default=False)]
# What several verbs take alike, with the words for it.
Json = Annotated[
    bool,
    Parameter(name="--json", show_default=False, group=OUTPUT, help="Write JSON to stdout, as docs/cli.md promises."),
]
StorePath = Annotated[
    Path | None,
    Parameter(name="--store", help="The store's file; otherwise `STEPDOWN_STORE`, or `stepdown.sqlite` here."),
]
RunName = Annotated[
    str,
    Parameter(
        help="A run: its name, its id or the beginning of it, or what stands for one (`@last`, `@TAG`, a data set)."
    ),
]
RunNames = Annotated[
    str,
    Parameter(help="Runs: names, ids or their beginnings, or what stands for several (`gsm8k`, `@last`, `@TAG`)."),
]
PricesFile = Annotated[Path | None, Parameter(help="A file of prices, as for `run`.")]


@Parameter(name="*", group=OUTPUT)
@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """Where results go."""

    store: StorePath = None
    json: Json = False

    @property
    def store_path(self) -> Path:
        """The store's path."""
        return self.store or default_path()

    @contextmanager
    def open(self) -> Iterator[Store]:
        """Open the store for a `with`; made now if it is not there, and taken away again if nothing came into it."""
        there = self.store_path.exists()
        try:
            with Store(self.store_path) as store:
                yield store
        finally:
            if not there:
                discard_if_empty(self.store_path)

    def reopen(self) -> Store:
        """Open a store that is there, to write it. Raises `UsageError`."""
        return Store(self.there())

    def read(self) -> Store:
        """Open a store that is there, to read it, which never writes. Raises `UsageError`."""
        return Store(self.there(), reading=True)

    def there(self) -> Path:
        """Return the path of a store that is there. Raises `UsageError`."""
        if not self.store_path.exists():
            raise UsageError(
                f"there is no store `{self.store_path}`",
                "make one with `stepdown run` or `stepdown demo`, or name one with --store",
            )
        return self.store_path


@Parameter(name="*", group=OUTPUT)
@dataclass(frozen=True, kw_only=True)
class RunOutputOptions(OutputOptions):
    """Where results go, and what runs are called there.

    Parameters
    ----------
    name
        What to call the runs of this command, such as `baseline`; any verb then takes them by it.
    tag
        A tag for them, such as `paper`; may be given several times.
    """

    name: Annotated[str, Parameter(show_default=False)] = ""
    tag: Annotated[tuple[str, ...], Parameter(show_default=False)] = ()

    def labels(self, store: Store) -> RunLabels:
        """Return what the runs are to be called. Raises `UsageError` for what cannot be a name or a tag."""
        if self.name:
            check_name(store, self.name)
        for one in self.tag:
            check_tag(one)
        return RunLabels(self.name, self.tag)
