"""A real browser at a real server, and everything a page complains of, for end-to-end tests."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import IO, Any, Literal
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Dialog, Page, Request, sync_playwright

Scheme = Literal["light", "dark"]
NAMES = ("chromium", "chromium-browser", "google-chrome")
# Milliseconds; a machine that does much else is slow, and what waits is waited for, never slept for.
PATIENCE = 60_000


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the system's Chromium without a window; the test is skipped where there is none."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip(f"no browser here: none of {', '.join(NAMES)} is installed")
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


class Watched:
    """A page of its own that keeps what went wrong on it: errors of scripts, blocked content, foreign addresses."""

    def __init__(self, context: BrowserContext, site: str) -> None:
        self.site, self.complaints = site, list[str]()
        context.set_default_timeout(PATIENCE)
        self.page = context.new_page()
        self.page.on("console", lambda said: self._say(said.text) if said.type in {"error", "warning"} else None)
        self.page.on("pageerror", lambda error: self._say(str(error)))
        self.page.on("request", self._check)
        self.page.on("dialog", self._dismiss)

    def _say(self, text: str) -> None:
        self.complaints.append(f"{urlsplit(self.page.url).path}: {text}")

    def _dismiss(self, dialog: Dialog) -> None:
        self._say(f"a dialog: {dialog.message}")
        dialog.dismiss()

    def _check(self, request: Request) -> None:
        if not request.url.startswith((self.site, "data:", "about:", "blob:")):
            self._say(f"asked for {request.url}")

    def open(self, path: str) -> Page:
        """Go to a path of the site; the page must be found."""
        answer = self.page.goto(self.site + path)
        assert answer is not None and answer.status < 400, f"{path}: {answer and answer.status}"
        return self.page

    @property
    def sideways(self) -> int:
        """How many pixels the page is wider than the window."""
        width = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        return int(width)


@contextmanager
def watched(browser: Browser, site: str, *, scheme: Scheme = "light", width: int = 1280) -> Iterator[Watched]:
    """Open a page of its own, with nothing of an earlier one."""
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
    try:
        yield Watched(context, site)
    finally:
        context.close()


def violations(
    page: Page, *, least: tuple[str, ...] = ("serious", "critical"), rules: tuple[str, ...] = ()
) -> list[str]:
    """Return what axe-core finds of these weights, by these rules or by all: rule, weight and the first element."""
    from axe_playwright_python.sync_playwright import Axe

    only = {"runOnly": {"type": "rule", "values": list(rules)}} if rules else {}
    # Nothing is fetched for it: no rule in use reads style sheets or sounds.
    options = {"resultTypes": ["violations"], "preload": False, **only}
    if not page.evaluate("'axe' in window"):
        page.evaluate(Axe().axe_script)
    found: list[dict[str, Any]] = page.evaluate("async (how) => (await axe.run(document, how)).violations", options)
    return [
        f"{one['id']} ({one['impact']}): {one['nodes'][0]['html'][:200]}" for one in found if one["impact"] in least
    ]


@contextmanager
def serving(folder: Path, *options: str, **variables: str) -> Iterator[str]:
    """Run `stepdown serve` in a child process on a free port, in a folder; give its address."""
    command = [sys.executable, "-m", "stepdown", "serve", "--port", "0", *options]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STEPDOWN_")} | variables
    with subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr is not None, "it is a pipe"
        rest = Thread(target=child.stderr.read, daemon=True)
        try:
            address = _address(child.stderr)
            # What the server says later is read and let go, so that it never waits.
            rest.start()
            yield address
        finally:
            child.send_signal(signal.SIGINT)
            _end(child)
            if rest.ident:
                rest.join()


def _address(said: IO[str]) -> str:
    """Return the address a server prints."""
    lines = []
    for line in said:
        lines.append(line)
        if found := re.search(r"http://127\.0\.0\.1:\d+", line):
            return found[0]
    raise AssertionError(f"the server ended: {''.join(lines)}")


def _end(child: "subprocess.Popen[str]") -> None:
    try:
        child.wait(15)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
