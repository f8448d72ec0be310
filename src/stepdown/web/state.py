"""What the server holds while it runs: the store, readers of it, loaded models, a budget and its settings."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import msgspec

from stepdown.errors import StepdownError, StoreError
from stepdown.models import PROCESS, Prices, Secret, ServerFiles, load_model
from stepdown.runner import Budget, Calls, load_model_or_run
from stepdown.store import Locked, Store, pending_review_counts
from stepdown.tour import Way
from stepdown.types import Model
from stepdown.web.config import Config
from stepdown.web.jobs.command_jobs import GRACE
from stepdown.web.jobs.local_models import LocalModels
from stepdown.web.jobs.run_jobs import RunJobs
from stepdown.web.jobs.study_jobs import StudyJobs
from stepdown.web.security.auth import TokenAuth
from stepdown.web.views.run_stats import RunStatsCache

T = TypeVar("T")
READERS = 2
CACHE_KIB = 32_768


class Places:
    """Where the things are that a server asks and shows.

    `servers` are those of an endpoint's fleet, and `on` a cluster the models of this kind of machine. `corpora` are the
    folders that the corpus pages may show, `students` the folder in which the students lie that a page has trained.
    """

    def __init__(
        self,
        servers: ServerFiles | None = None,
        *,
        on: str = "",
        corpora: tuple[Path, ...] = (),
        students: Path = Path("students"),
    ) -> None:
        self.servers, self.on, self.corpora, self.students = servers or ServerFiles(), on, corpora, students

    @property
    def options(self) -> list[str]:
        """The options of a command line that say so."""
        return self.servers.options + ([f"--on={self.on}"] if self.on else [])

    def load(self, name: str) -> Model:
        """Return the model of a model string; one of this machine works in a process of its own, or on a cluster."""
        return load_model(name, servers=self.servers, on=self.on or PROCESS)


class BundleFacts(msgspec.Struct, frozen=True):
    """What the pages of a bundle say of it: its title, how many runs it has, whether corpora and studies are there."""

    title: str
    runs: int
    corpora: bool
    studies: bool = False


class State:
    """One server's store, models and settings.

    `store` is the event loop's own connection, which writes calls and nothing else. Pages read through `read`, in
    threads with a connection each, and what people do is written through `write`, in another: neither a slow page nor
    a locked file holds anybody else up. A file that cannot be written is shown all the same. `token` is empty where
    none is asked for, `person` who edits where a page does not say, `corpora` the folders the corpus pages may show,
    by name, `servers` the files of the fleets it asks, `way` leads through a study that is only shown. `read_only`
    opens the file to read it alone; pages show no form then. `bundled` is what pages are told that become files.
    `jobs` are the runs this server started, and `leaving` is set when it ends: what answers without end must stop
    then.
    """

    person = "person"
    way: Way | None = None
    bundled: BundleFacts | None = None

    def __init__(
        self,
        path: Path,
        *,
        config: Config | None = None,
        prices: Path | None = None,
        budget: Budget | None = None,
        token: Secret | None = None,
        places: Places | None = None,
        read_only: bool = False,
    ) -> None:
        self.path, self.config = path, config or Config()
        self.token = token or Secret("")
        self.auth = TokenAuth(self.token)
        self.prices = Prices(prices)
        self.places = places or Places()
        self.corpora = {_folder_name(folder): folder for folder in self.places.corpora}
        self.read_only = read_only
        self.store = Store(path, reading=True) if read_only else _open(path)
        self.calls = Calls(self.store, budget=budget, abandon=True)
        self.models: dict[str, Model] = {}
        options = ([f"--prices={prices.resolve()}"] if prices else []) + self.places.options
        self.jobs = RunJobs(path, options=options, token=self.token)
        self.studies = StudyJobs(path, self.places.students, self.corpora, token=self.token)
        self.local_models = LocalModels()
        self.run_stats = RunStatsCache(self.prices)
        self.leaving = asyncio.Event()
        self._closed = False
        self._to_review = (-1, -1), 0
        self._local = threading.local()
        self._opened: list[Store] = []
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="page")
        self._writers = ThreadPoolExecutor(1, thread_name_prefix="writer")

    async def read(self, work: Callable[[Store], T]) -> T:
        """Return what some work reads from the store, done in a thread of its own connection."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, lambda: _done(work, self._reader()))

    async def write(self, work: Callable[[Store], T]) -> T:
        """Return what some work that writes the store returns, done in the thread that does so. Raises `StoreError`."""
        return await asyncio.get_running_loop().run_in_executor(
            self._writers, lambda: _done(work, self._own(reading=False))
        )

    def to_review(self) -> int:
        """Return how many plans wait for a person; none where the file cannot be read, of which a page says more."""
        try:
            version = self.store.version()
            if self._to_review[0] != version:
                self._to_review = version, sum(pending_review_counts(self.store).values())
        except (sqlite3.Error, StepdownError):
            return 0
        return self._to_review[1]

    def _reader(self) -> Store:
        return self._own(reading=True)

    def _own(self, *, reading: bool) -> Store:
        """Return this thread's store."""
        store: Store | None = getattr(self._local, "store", None)
        if store is None:
            store = self._local.store = Store(self.path, reading=reading)
            store.db.execute(f"pragma cache_size = -{CACHE_KIB}")
            self._opened.append(store)
        return store

    @property
    def offered(self) -> Config:
        """What the configuration names, and the students that studies of the pages have trained."""
        trained = tuple(str(card.parent) for card in sorted(self.places.students.glob("*/*/seed-*/card.json")))
        return msgspec.structs.replace(self.config, students=(*self.config.students, *trained))

    def load(self, name: str) -> Model:
        """Return the model of a model string, loaded once.

        Raises `UsageError` for a name that leads nowhere.
        """
        if name not in self.models:
            self.models[name] = load_model_or_run(name, self.store, load=self.places.load)
        return self.models[name]

    async def close(self, *, grace: float = GRACE) -> None:
        """Let calls in flight go, keep what was answered, end jobs, and close models and files; once is enough.

        Jobs have `grace` seconds to finish what they began.
        """
        if self._closed:
            return
        self._closed = True
        self.leaving.set()
        await asyncio.gather(self.jobs.close(grace), self.studies.close(grace))
        await self.calls.close()
        for model in self.models.values():
            await model.close()
        self._readers.shutdown(wait=True, cancel_futures=True)
        self._writers.shutdown(wait=True)
        for store in [*self._opened, self.store]:
            try:
                store.close()
            except StoreError:
                continue


def _done(work: Callable[[Store], T], store: Store) -> T:
    """Return what some work returns; what damage of the file does to it is said as such."""
    try:
        return work(store)
    except Exception as error:
        store.explain(error)
        raise


def _open(path: Path) -> Store:
    """Open a store to write it, or, where that cannot be, to show it."""
    try:
        store = Store(path)
        if store.is_writable():
            return store
        store.close()
    except StoreError as error:
        if isinstance(error, Locked) or not path.exists():
            raise
    return Store(path, reading=True)


def _folder_name(folder: Path) -> str:
    """Return a folder's name as pages and addresses can hold it: without control characters and broken ones."""
    return "".join(one if one.isprintable() else "?" for one in folder.name) or "corpus"
