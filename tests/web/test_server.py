"""`stepdown serve` as a process: what it says, whom it refuses to start for, and how it ends."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from stepdown.cli import main
from stepdown.cli.verbs.serve import ServedOptions

pytestmark = pytest.mark.slow

pytest.importorskip("starlette")
Refused = Callable[..., str]


class Served:
    """A server in a child process; `said` is what its stderr has said so far."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process, self.said, self._grown = process, "", threading.Condition()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._grown:
                self.said += line
                self._grown.notify_all()

    def hear(self, pattern: str) -> str:
        """Wait until something was said, and return it."""
        with self._grown:
            assert self._grown.wait_for(lambda: re.search(pattern, self.said), 20), self.said
        found = re.search(pattern, self.said)
        assert found is not None
        return found[1]

    def end(self, number: int = signal.SIGINT) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(20)
        self._listener.join(5)
        return code


@contextmanager
def serving(folder: Path, *options: str, **settings: str) -> Iterator[Served]:
    """Run the verb in a folder; settings are further variables of the environment."""
    process = subprocess.Popen(
        [sys.executable, "-m", "stepdown", "serve", "--port=0", *options],
        cwd=folder,
        env=os.environ | settings,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield Served(process)
    finally:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Run the verb here, where it cannot start, and return what it says."""
    monkeypatch.chdir(tmp_path)

    def work(*options: str, token: str = "") -> str:
        monkeypatch.setenv("STEPDOWN_TOKEN", token)
        assert main(["serve", *options]) == 2
        return capsys.readouterr().err

    return work


def status(address: str, **headers: str) -> int:
    try:
        with urlopen(Request(address, headers=headers), timeout=10) as answer:
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code


def test_it_says_where_it_serves_answers_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        address = server.hear(r"serving (http://127\.0\.0\.1:\d+) ")
        server.hear(rf"(OpenAI-compatible base URL: {address}/v1)")
        server.hear(rf"(curl {address}/v1/chat/completions)")
        assert status(f"{address}/new") == 200 and status(f"{address}/v1/models") == 200
        assert server.end() == 0 and server.said.endswith("ended\n")
        assert "GET" not in server.said and (tmp_path / "stepdown.sqlite").exists()


def test_verbose_writes_a_line_per_request_without_its_query(tmp_path: Path) -> None:
    with serving(tmp_path, "--verbose") as server:
        address = server.hear(r"serving (\S+)")
        assert status(f"{address}/new?student=secret%0a") == 200
        assert "?" not in server.hear(r"(GET /new.* 200 \d+ ms)")
        assert server.end(signal.SIGTERM) == 0


def test_a_token_that_is_asked_for_is_said_once_and_works(tmp_path: Path) -> None:
    with serving(tmp_path, "--token", "--host=0.0.0.0", "--verbose") as server:
        address, token = server.hear(r"serving (\S+)"), server.hear(r"token, said this once: (\S+)")
        assert status(f"{address}/v1/models") == 401
        assert status(f"{address}/v1/models", Authorization=f"Bearer {token}") == 200
        assert server.end() == 0 and server.said.count(token) == 1


def test_the_token_of_the_environment_is_used_and_never_said(tmp_path: Path) -> None:
    token = "a-token-of-enough-letters"
    with serving(tmp_path, "--host=0.0.0.0", STEPDOWN_TOKEN=token) as server:
        address = server.hear(r"serving (\S+)")
        assert status(f"{address}/v1/models", Authorization=f"Bearer {token}") == 200
        assert server.end() == 0 and token not in server.said and "$STEPDOWN_TOKEN" in server.said


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_another_address_than_this_machines_needs_a_token(refused: Refused, tmp_path: Path, host: str) -> None:
    said = refused(f"--host={host}")
    assert "no token is set" in said and "--token" in said
    assert "easily guessed" in refused(f"--host={host}", token="short")
    assert not list(tmp_path.iterdir())


def test_a_port_in_use_is_said_with_a_way_out(refused: Refused, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = refused(f"--port={taken.getsockname()[1]}")
    assert "is in use" in said and "--port" in said and not list(tmp_path.iterdir())


def test_what_cannot_be_served_is_said_before_anything_happens(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "odd.toml").write_text("[models.a]\nmethods = 'direct'\n")
    assert "cannot read `odd.toml`" in refused("--port=0", "--config=odd.toml")
    assert "cannot read `none.toml`" in refused("--port=0", "--config=none.toml")
    assert "there is no corpus `none`" in refused("--port=0", "--corpus=none")
    (tmp_path / "odd.toml").write_text("[models.a]\nmethod = 'direct'\nstudent = 'b/c'\nteacher = 'b/d'\n")
    assert "`[models.a]` of `odd.toml`: `direct` has no plan" in refused("--port=0", "--config=odd.toml")
    assert "`--budget` cannot be `-1`" in refused("--port=0", "--budget=-1")
    assert "cannot bind to" in refused("--host=nowhere.invalid", "--token")
    assert [file.name for file in tmp_path.iterdir()] == ["odd.toml"]


def test_two_corpora_of_one_name_are_refused_and_one_given_twice_is_one(refused: Refused, tmp_path: Path) -> None:
    for place in ("a/kept", "b/kept"):
        (tmp_path / place).mkdir(parents=True)
    assert "have the same name" in refused("--port=0", "--corpus=a/kept", "--corpus=b/kept")
    given = ServedOptions(corpus=(tmp_path / "a/kept", tmp_path / "a/../a/kept"))
    assert given.folders() == ((tmp_path / "a/kept").resolve(),)


def test_an_answer_under_way_is_finished_before_the_end(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        address = server.hear(r"serving (\S+)")
        with urlopen(f"{address}/events", timeout=10) as listening:
            assert listening.readline().startswith(b"event: runs")
            assert server.end() == 0
            assert b"</" in listening.read()
