"""The corpus pages: a problem's chains side by side, each kept or dropped with the reason, and a corpus's card."""

import asyncio
import shlex
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from stepdown.corpus import (
    Card,
    Corpus,
    Lineage,
    PlanLineage,
    ProblemIndex,
    Selection,
    index_problems,
    open_corpus,
    read_card,
    read_lineages,
    read_plan_lineages,
)
from stepdown.corpus.selection import FILTERS, Filter, load_filter, reads_elsewhere
from stepdown.errors import StepdownError, UnknownName, UsageError
from stepdown.tasting import Taste, read_taste, taste_folder
from stepdown.text import figures
from stepdown.types import Chain
from stepdown.web.pages import page, state_of, templates, wrong

L = TypeVar("L", Lineage, PlanLineage)
SHOWN = 60
_MOST_FILTERS, _LONGEST, _SHOWN_SECONDS = 12, 500, 1.0
_HERE = "(the counts go here)"
_preparing = Lock()


class Folder(msgspec.Struct, frozen=True):
    """A corpus folder as the list shows it: its card, or what is wrong with it."""

    name: str
    card: Card | None = None
    error: str = ""

    @property
    def address(self) -> str:
        """The address of its page."""
        return f"/corpora/{quote(self.name, safe='')}"


class CorpusQuery(msgspec.Struct, frozen=True):
    """What a page was asked for: a problem by its number from 1, its id or words; filters as `stepdown keep` takes.

    `typed` is what the fields hold, as it was typed, and `errors` what is wrong with them.
    """

    corpus: str
    problem: str = "1"
    filters: tuple[str, ...] = ()
    seed: int = 0
    typed: dict[str, str] = {}
    errors: dict[str, StepdownError] = {}

    @property
    def page(self) -> str:
        """The address of the corpus's page."""
        return Folder(self.corpus).address

    @property
    def command(self) -> str:
        """The arguments of `stepdown keep` that keep the same."""
        return shlex.join([self.corpus, *self.filters, "--seed", str(self.seed)])

    def address(self, number: int | None = None, *, counts: bool = False) -> str:
        """Return the address of a problem by its number from 1, or of the counts, under the same filters."""
        fields = {} if number is None else {"problem": str(number)}
        if self.filters:
            fields |= {"filters": " ".join(self.filters), "seed": str(self.seed)}
        return f"{self.page}{'/counts' if counts else ''}?{urlencode(fields)}"


class ShownProblem(msgspec.Struct, frozen=True):
    """One problem as a page shows it: `chains` with the filter that drops each, and what was found for words.

    `errors` are by the field that asks what cannot be, `lineages` those of mended chains and `worths`
    those of valued plans, by their sample.
    """

    number: int
    chains: list[tuple[Chain, Filter | None]]
    total: int
    kept: int = 0
    found: tuple[tuple[int, str], ...] = ()
    seconds: float | None = None
    errors: dict[str, StepdownError] = {}
    lineages: dict[int, Lineage] = {}
    worths: dict[int, PlanLineage] = {}


async def show_corpora(request: Request) -> Response:
    """Show the corpora this server was given."""
    folders = [_folder(name, path) for name, path in sorted(state_of(request).corpora.items())]
    return page(request, "corpora.html", folders=folders)


def _folder(name: str, path: Path) -> Folder:
    try:
        return Folder(name, read_card(path))
    except UsageError as error:
        return Folder(name, error=error.what)


async def show_corpus(request: Request) -> Response:
    """Show one problem of a corpus, its chains side by side."""
    try:
        query = _query(request)
        folder = _path(request)
        card, shown_problem = await asyncio.to_thread(_see, folder, query)
    except StepdownError as error:
        return wrong(request, error)
    if len(shown_problem.found) == 1:
        return RedirectResponse(query.address(shown_problem.found[0][0]), status_code=303)
    values = {
        "card": card,
        "taste": _taste(_path(request), card),
        "seen": shown_problem,
        "asked": query,
        "known": FILTERS,
        "shown": SHOWN,
        "errors": shown_problem.errors,
    }
    return page(request, "corpus.html", status=400 if shown_problem.errors else 200, figures=figures, **values)


def _taste(folder: Path, card: Card) -> Taste | None:
    """Return what `stepdown taste` found of this corpus, None where it lies elsewhere, is broken, or is another's."""
    try:
        taste = read_taste(taste_folder(folder))
    except StepdownError:
        return None
    return taste if taste is not None and taste.expected and taste.fingerprint == card.fingerprint else None


def _path(request: Request) -> Path:
    folders = state_of(request).corpora
    name = request.path_params["name"]
    if name not in folders:
        raise UnknownName("corpus", name, folders, more="`stepdown serve --corpus DIR` gives one to the server")
    return folders[name]


def _query(request: Request) -> CorpusQuery:
    typed = {name: request.query_params.get(name, "")[:_LONGEST].strip() for name in ("problem", "filters", "seed")}
    errors: dict[str, StepdownError] = {}
    filters, seed = tuple(typed["filters"].split()), typed["seed"] or "0"
    if len(filters) > _MOST_FILTERS or len(request.query_params.get("filters", "")) > _LONGEST:
        errors["filters"] = UsageError("too many filters", f"a page takes {_MOST_FILTERS} at most")
    if not (seed.isascii() and seed.isdecimal() and len(seed) < 10):
        errors["seed"] = UsageError(f"`{seed[:40]}` is not a whole number below a billion", "leave it empty for 0")
    return CorpusQuery(
        corpus=request.path_params["name"],
        problem=typed["problem"] or "1",
        filters=() if "filters" in errors else filters,
        seed=0 if "seed" in errors else int(seed),
        typed=typed,
        errors=errors,
    )


def _see(folder: Path, query: CorpusQuery) -> tuple[Card, ShownProblem]:
    """Read one problem and judge its chains; runs in a thread."""
    card = read_card(folder)
    places = _problem_index(folder, card.fingerprint)
    errors = dict(query.errors)
    try:
        number, matches = _find(places, query.problem)
    except UsageError as error:
        errors["problem"], number, matches = error, 0, ()
    group = places.read(number)
    page = ShownProblem(
        number + 1,
        [(chain, None) for chain in group],
        len(places),
        len(group),
        matches,
        errors=errors,
        lineages=_of_group(_all_lineages(folder, card.fingerprint), group),
        worths=_of_group(_all_worths(folder, card.fingerprint), group),
    )
    if "filters" in errors:
        return card, page
    try:
        view, seconds = _view(folder, card, query)
        judged = view.judged(group)
    except StepdownError as error:
        return card, msgspec.structs.replace(page, errors=errors | {"filters": error})
    kept = sum(dropped is None for _, dropped in judged)
    if len(judged) > SHOWN:
        judged.sort(key=lambda one: one[1] is not None)
    return card, msgspec.structs.replace(page, chains=judged, kept=kept, seconds=seconds)


def _find(places: ProblemIndex, text: str) -> tuple[int, tuple[tuple[int, str], ...]]:
    """Return the number of a problem from 0, or of the first that words find, with all found; raise `UsageError`."""
    if text.isascii() and text.isdecimal():
        if not 1 <= int(text) <= len(places):
            raise UsageError(f"there is no problem {text[:12]}", f"they are numbered from 1 to {len(places):,}")
        return int(text) - 1, ()
    at = places.find(text)
    if at is not None:
        return at, ()
    numbers = places.search(text)
    if not numbers:
        raise UsageError(f"no question or id contains `{text[:80]}`", "try fewer words, or a number")
    return numbers[0], tuple((number + 1, places.ids[number]) for number in numbers)


def _of_group(known: Mapping[tuple[str, int], L], group: Sequence[Chain]) -> dict[int, L]:
    places = ((chain.sample, known.get((chain.problem.id, chain.sample))) for chain in group)
    return {sample: found for sample, found in places if found is not None}


@lru_cache(maxsize=4)
def _all_lineages(folder: Path, fingerprint: str) -> dict[tuple[str, int], Lineage]:
    return read_lineages(folder)


@lru_cache(maxsize=4)
def _all_worths(folder: Path, fingerprint: str) -> dict[tuple[str, int], PlanLineage]:
    return read_plan_lineages(folder)


@lru_cache(maxsize=4)
def _problem_index(folder: Path, fingerprint: str) -> ProblemIndex:
    card = read_card(folder)
    return index_problems(folder, card)


def _view(folder: Path, card: Card, query: CorpusQuery) -> tuple[Corpus, float | None]:
    """Return the corpus under the filters, ready to judge, and how long they took to see it, None where none had to.

    Raises `UsageError` for a filter that would open a file or load a model.
    """
    for text in query.filters:
        if reads_elsewhere(text):
            way = f"`stepdown keep {folder.name} {text} --out kept` does, and the corpus it writes can be shown here"
            raise UsageError(f"`{text}` reads a file or loads a model, which pages do not do", way)
    if not any(load_filter(text, content=card.content).prepare for text in query.filters):
        return Corpus(folder, card).keep(*query.filters, seed=query.seed), None
    with _preparing:
        return _prepared(folder, card.fingerprint, query.filters, query.seed)


@lru_cache(maxsize=4)
def _prepared(folder: Path, fingerprint: str, filters: tuple[str, ...], seed: int) -> tuple[Corpus, float]:
    began = monotonic()
    return open_corpus(folder).keep(*filters, seed=seed).prepared(), monotonic() - began


async def count_corpus(request: Request) -> Response:
    """Count what each filter keeps of the whole corpus; the page grows while the corpus is read."""
    try:
        query, folder = _query(request), _path(request)
        for error in query.errors.values():
            return wrong(request, error)
        card = read_card(folder)
        view, _ = await asyncio.to_thread(_view, folder, card, query)
    except StepdownError as error:
        return wrong(request, error)
    frame = page(request, "counts.html", asked=query, card=card, here_goes=_HERE)
    head, _, tail = bytes(frame.body).decode().partition(_HERE)
    return StreamingResponse(_counts(view, head, tail), media_type="text/html")


async def _counts(view: Corpus, head: str, tail: str) -> AsyncIterator[str]:
    yield head
    module: Any = templates().get_template("parts/counts.html").module
    counts = view.counted()
    kept: tuple[Selection, ...] = ()
    sent_at = monotonic()
    try:
        while page := await asyncio.to_thread(next, counts, None):
            done, kept = page
            if done == view.card.chains or monotonic() - sent_at >= _SHOWN_SECONDS:
                sent_at = monotonic()
                yield module.progress(done, view.card.chains)
        yield module.table(kept)
    except StepdownError as error:
        yield module.refused(error)
    yield tail


ROUTES: list[BaseRoute] = [
    Route("/corpora", show_corpora),
    Route("/corpora/{name}", show_corpus),
    Route("/corpora/{name}/counts", count_corpus),
]
