"""A server outlives a full disk, a locked file and a file that cannot be written, and nobody waits who need not."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from openai import InternalServerError

from filled import fill
from served import get, post, served
from small_endpoint import Endpoint, endpoint
from stepdown.models import ScriptedModel
from stepdown.store import Store
from stepdown.web.state import State

STUDENT = "direct/openai/student"


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the file, as another program in the middle of a transaction does."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("begin immediate")
    try:
        yield
    finally:
        db.execute("rollback")
        db.close()


def quick(url: str) -> bool:
    before = time.monotonic()
    return get(url).status == 200 and time.monotonic() - before < 5


@pytest.fixture
def run(tmp_path: Path) -> str:
    return fill(tmp_path / "s.sqlite", 3)


def test_a_held_file_keeps_a_verdict_waiting_and_no_page(tmp_path: Path, run: str) -> None:
    path, answers = tmp_path / "s.sqlite", list[int]()
    with served(lambda: State(path)) as site:
        verdict = f"{site}/runs/{run}/verdicts/sums/test/0"
        saying = threading.Thread(target=lambda: answers.append(post(verdict, {"verdict": "wrong"}).status))
        with held(path):
            saying.start()
            assert all(quick(f"{site}{page}") for page in ("/", f"/runs/{run}", "/"))
            assert not answers
        saying.join(20)
    assert answers == [200]


def test_a_full_disk_is_said_and_outlived(tmp_path: Path) -> None:
    student = ScriptedModel(lambda messages, sampling, sample: messages[-1].content, "openai/student")
    with endpoint(tmp_path, {"openai/student": student}) as one, one.client() as client:

        def ask(words: str) -> str | None:
            asked = client.chat.completions.create(model=STUDENT, messages=[{"role": "user", "content": words}])
            return asked.choices[0].message.content

        assert ask("1")
        limit(one, one.state.store.value("pragma page_count"))
        with pytest.raises(InternalServerError, match="full"):
            ask("2" * 50_000)
        limit(one, 100_000)
        assert ask("3")


def limit(server: Endpoint, pages: int) -> None:
    """Let the server's disk have room for so many pages."""
    done = threading.Event()

    def work() -> None:
        server.state.store.db.execute(f"pragma max_page_count = {pages}")
        done.set()

    server.call(work)
    assert done.wait(5)


def test_a_file_that_cannot_be_written_is_shown_and_said_so_on_a_change(tmp_path: Path, run: str) -> None:
    path = tmp_path / "s.sqlite"
    path.with_name("s.sqlite-wal").mkdir()
    with served(lambda: State(path)) as site:
        assert get(f"{site}/").status == get(f"{site}/runs/{run}").status == 200
        refused = post(f"{site}/runs/{run}/verdicts/sums/test/0", {"verdict": "wrong"})
    assert refused.status == 503 and "the store" in refused.text


def test_a_change_to_a_file_that_is_gone_is_no_success(tmp_path: Path, run: str) -> None:
    path = tmp_path / "s.sqlite"
    with served(lambda: State(path)) as site:
        assert post(f"{site}/runs/{run}/verdicts/sums/test/0", {"verdict": "wrong"}).status == 200
        path.rename(tmp_path / "elsewhere")
        refused = post(f"{site}/runs/{run}/verdicts/sums/test/1", {"verdict": "wrong"})
    assert refused.status == 503 and "moved" in refused.text


def test_two_servers_keep_the_traces_of_one_file(tmp_path: Path, run: str) -> None:
    path = tmp_path / "s.sqlite"
    with served(lambda: State(path)) as first, served(lambda: State(path)) as second:
        for place, site in enumerate((first, second, first)):
            assert post(f"{site}/runs/{run}/verdicts/sums/test/{place}", {"verdict": "wrong"}).status == 200
    with Store(path, reading=True) as store:
        assert [grade.verdict for _, grade in store.run(run).graded()] == ["wrong"] * 3


def test_a_page_of_a_damaged_file_says_so(tmp_path: Path, run: str) -> None:
    path = tmp_path / "s.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("update traces set usage = '7'")
    db.close()
    with served(lambda: State(path)) as site:
        shown = get(f"{site}/runs/{run}")
    assert shown.status == 503 and "damaged" in shown.text
