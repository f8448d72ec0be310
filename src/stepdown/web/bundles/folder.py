"""A bundle as a folder: what it holds, whether an older one may go, and that none is ever half there."""

import time
from collections.abc import Callable, Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from stepdown.errors import UsageError
from stepdown.files import replacing_folder
from stepdown.models import Secret
from stepdown.object_stores import refuse_address
from stepdown.store import Store, extract_runs
from stepdown.text import method_of, short
from stepdown.version import __version__
from stepdown.web.app import make_app
from stepdown.web.bundles.crawl import Crawl
from stepdown.web.bundles.search_index import FILE, index_of
from stepdown.web.pages import drawn
from stepdown.web.pages.compare import MOST_BUNDLED
from stepdown.web.security.rules import AccessRules
from stepdown.web.state import BundleFacts, Places, State

CARD = "bundle.json"
# Scripts and styles of pages that a bundle has not.
_LEFT_OUT = frozenset({"htmx.min.js", "live.js", "stream.js", "drafts.js", "LICENSE.htmx", "README.md"})

Progress = Callable[[int, int], None]


class BundlePlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a bundle is to hold: runs by their ids, corpora with so many of their problems, and what it is called.

    `students` is a folder of studies, whose scores and curves are shown.
    """

    runs: tuple[str, ...]
    corpora: tuple[Path, ...] = ()
    students: Path | None = None
    problems: int = 100
    title: str = ""
    baseline: str = ""
    prices: Path | None = None


class Bundle(msgspec.Struct, frozen=True, kw_only=True):
    """What a bundle's folder holds, as its `bundle.json` says it."""

    folder: str
    runs: tuple[str, ...]
    traces: int
    pages: int
    bytes: int
    seconds: float
    version: str = __version__


class _Card(Bundle, frozen=True, kw_only=True):
    """The same with its files, by which a later bundle knows what it may replace."""

    files: tuple[str, ...]


def check_place(out: Path, *, force: bool) -> None:
    """Refuse a place that holds anything but, with `force`, a bundle. Raises `UsageError`."""
    refuse_address(out, "write it here, and copy it")
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    known = _files_of(out)
    here = [path.relative_to(out).as_posix() for path in out.rglob("*") if not path.is_dir()] if out.is_dir() else []
    other = next((one for one in here if one not in known), str(out))
    if not known or other in here:
        what = f"`{out}` holds `{other}`, which no bundle wrote" if here else f"`{out}` is no folder"
        raise UsageError(what, "give a place of its own with --out, or move it away")
    if not force:
        raise UsageError(f"`{out}` holds a bundle already", "add --force to replace it")


def _files_of(out: Path) -> frozenset[str]:
    try:
        card = msgspec.json.decode((out / CARD).read_bytes(), type=_Card)
    except (OSError, msgspec.MsgspecError):
        return frozenset()
    return frozenset((*card.files, CARD))


async def write_bundle(
    store: Store, plan: BundlePlan, out: Path, *, force: bool = False, progress: Progress | None = None
) -> Bundle:
    """Write runs as a folder of files; it is there whole or not at all.

    `progress` gets the pages that are done, and how many there are at least. Raises `UsageError` for a place that holds
    something else and for more runs than Compare draws on one page.
    """
    if len(plan.runs) > MOST_BUNDLED:
        raise UsageError(
            f"{len(plan.runs)} runs do not fit in one bundle",
            f"choose {MOST_BUNDLED}, or write one for each data set: `stepdown bundle gsm8k --out gsm8k-site`",
        )
    check_place(out, force=force)
    began = time.monotonic()
    with TemporaryDirectory(prefix="stepdown-bundle-") as folder, replacing_folder(out.absolute()) as part:
        # Only what is in the bundle is in the store that its pages are drawn from.
        copy = Path(folder) / store.path.name
        extract_runs(store, plan.runs, copy)
        writing = _Writing(part, plan, progress or (lambda done, all_: None))
        await writing.write(copy)
        bundle = _Card(
            folder=out.name, runs=plan.runs, traces=writing.traces, pages=writing.pages, bytes=writing.size,
            seconds=round(time.monotonic() - began, 1), files=tuple(sorted(writing.files)),
        )  # fmt: skip
        (part / CARD).write_bytes(msgspec.json.format(msgspec.json.encode(bundle), indent=1))
    return Bundle(**{name: getattr(bundle, name) for name in Bundle.__struct_fields__})


class _Writing:
    """One bundle that is being written."""

    def __init__(self, part: Path, plan: BundlePlan, progress: Progress) -> None:
        self._part, self._plan, self._progress = part, plan, progress
        self.files: list[str] = []
        self.traces = self.pages = self.size = 0

    async def write(self, store: Path) -> None:
        """Draw every page from a store that has nothing else."""
        plan = self._plan
        facts = BundleFacts(plan.title, len(plan.runs), bool(plan.corpora), plan.students is not None)
        # A folder that is not there holds no study.
        places = Places(corpora=plan.corpora, students=plan.students or store.parent / "students")
        state = State(store, prices=plan.prices, token=Secret(""), places=places, read_only=True)
        state.bundled = facts
        try:
            runs = [state.store.run(run) for run in plan.runs]
            self.traces = state.store.value("select count(*) from traces")
            crawl = Crawl(make_app(state, rules=AccessRules()), plan.runs, plan.baseline, corpus_problems=plan.problems)
            async for file, body in crawl.pages():
                self._put(file, body)
                self.pages += 1
                self._progress(self.pages, max(self.pages, self.traces + len(runs) + 3))
            names = [(run.id, f"{method_of(run.settings)} by {short(run.settings.student)}, {run.id}") for run in runs]
            values = {"here": "/search", "back": "", "person": "", "student": "", "to_review": 0, "names": names}
            self._put(
                "search.html", crawl.file(drawn(state, "bundle_search.html", {**values, "state": state}), "search.html")
            )
            self._put(f"static/{FILE}", index_of(runs, self.traces, crawl.clean))
        finally:
            await state.close()
        for name, source in _static(files("stepdown.web") / "static"):
            self._put(f"static/{name}", source.read_bytes())

    def _put(self, name: str, body: bytes) -> None:
        path = self._part / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        self.files.append(name)
        self.size += len(body)


def _static(folder: Traversable, before: str = "") -> Iterator[tuple[str, Traversable]]:
    for one in folder.iterdir():
        if one.is_dir():
            yield from _static(one, f"{before}{one.name}/")
        elif one.name not in _LEFT_OUT:
            yield f"{before}{one.name}", one
