"""The pages of a bundle, drawn by the application itself: from the list of runs along every link that a bundle has."""

import os
import re
from collections import deque
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from starlette.applications import Starlette

from stepdown.errors import StepdownError
from stepdown.web.bundles.places import SEARCH, BundledPage, place_at
from stepdown.web.bundles.rewriting import as_file, links_in
from stepdown.web.in_process import InProcessAnswer, ask_in_process
from stepdown.web.security.scrubbing import scrub

_DRAWN = "image/svg+xml"


def machine_paths() -> re.Pattern[str]:
    """Return what finds the folders of this machine and of its user where a path begins with them."""
    folders = {Path.cwd(), Path.home(), Path(os.path.realpath(Path.cwd()))}
    named = sorted((str(one) for one in folders if len(one.parts) > 1), key=len, reverse=True)
    return re.compile(rf"(?<![\w.~/-])(?:{'|'.join(map(re.escape, named)) or '(?!)'})/")


class Crawl:
    """Asks an application for the pages of a bundle, each once; `runs` are those that are compared."""

    def __init__(self, app: Starlette, runs: Sequence[str], baseline: str = "", *, corpus_problems: int = 0) -> None:
        self.app, self.runs, self.baseline, self._corpus_problems = app, runs, baseline, corpus_problems
        self._paths = machine_paths()
        self._seen: set[BundledPage] = set()
        self._waiting: deque[BundledPage] = deque()

    def find(self, address: str) -> BundledPage | None:
        """Return the page that an address leads to, and let it be drawn; None for what a bundle has not."""
        place = place_at(address, self._corpus_problems)
        if place is not None and place not in self._seen and place.path != SEARCH:
            self._seen.add(place)
            self._waiting.append(place)
        return place

    async def pages(self) -> AsyncIterator[tuple[str, bytes]]:
        """Yield each file's path in the bundle with its content. Raises `StepdownError` for a page that fails."""
        self.find("/")
        while self._waiting:
            place = self._waiting.popleft()
            answer = await self._answer(place)
            if answer.headers.get("content-type", "").startswith(_DRAWN):
                yield place.file, self.clean(answer.text).encode()
            else:
                yield place.file, self.file(answer.text, place.file)

    def clean(self, text: str) -> str:
        """Return a text without keys and folders of this machine."""
        return self._paths.sub("", scrub(text))

    def file(self, html: str, own: str) -> bytes:
        """Return a page as the file at `own`."""
        for address in links_in(html):
            self.find(address)
        return as_file(self.clean(html), own, self.find).encode()

    async def _answer(self, place: BundledPage) -> InProcessAnswer:
        address = place.address(self.runs, self.baseline)
        answer = await ask_in_process(self.app, address)
        # Two runs may look like a cascade and share no problem: the page says so.
        if answer.status != 200 and not (answer.status == 400 and place.path.startswith("/cascade")):
            raise StepdownError(
                f"the page `{address}` could not be drawn ({answer.status})", "this is a fault of stepdown"
            )
        return answer
