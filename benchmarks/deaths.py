"""What becomes of calls in flight when each part dies: the parts are really killed, and the rows are counted.

python benchmarks/deaths.py [--only WORDS] [--json]

Each row runs a command against local servers that write down what they were asked and what they answered, kills one
part in the middle, lets the run go on (by itself, or by the same command again), and counts: calls the servers
answered, replies the store has at the end, calls that were answered and came to nobody (`lost`), prompts that were
answered more than once (`again`), calls that the store has in its books at their upper bound (`booked`),
and calls of which nothing came back that it counts apart (`apart`). The bars: every problem ends solved, nothing stored
is asked again, no more is answered twice than was in flight when the part died, and what was lost is booked or counted
apart.
"""

import argparse
import json
import os
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

from all import free_port, wait_for

HERE = Path(__file__).parent
PROBLEMS, FLIGHT = 300, 16


class Setting:
    """A folder with a store, servers that keep a log, and a command that asks them."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self.stack, self.log = folder, stack, folder / "log"
        self.log.touch()
        self.store = folder / "store.sqlite"
        self.addresses: list[str] = []
        self.more: list[str] = []
        self.lines: list[str] = []
        self.codes: list[int] = []

    def serve(self, *options: str, port: int = 0) -> "Served":
        served = Served(port or free_port(), ["--first", "0.15", "--log", str(self.log), *options])
        self.stack.callback(served.kill)
        if not port:
            self.addresses.append(f"http://127.0.0.1:{served.port}/v1")
        return served

    def start(self, limit: int | None = None) -> "subprocess.Popen[str]":
        """Start the command; `limit` is the largest file it may write, in bytes."""
        command = [
            sys.executable, "-m", "stepdown", "run", "wordsums", "--method", "direct", "-n", str(PROBLEMS),
            "--student", "openai-api/here/student", "--concurrency", str(FLIGHT), "--store", str(self.store), "--json",
        ]  # fmt: skip
        environment = {**os.environ, "HERE_BASE_URL": ",".join(self.addresses), "HERE_API_KEY": "none"}

        def limited() -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            if limit is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        process = subprocess.Popen(
            [*command, *self.more], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=limited,
        )  # fmt: skip
        self.stack.callback(process.kill)
        return process

    def finish(self, process: "subprocess.Popen[str]") -> None:
        _, said = process.communicate(timeout=180)
        self.codes.append(process.returncode)
        self.lines.append(next((line for line in reversed(said.splitlines()) if line.strip()), ""))

    def answered(self, event: str = "answered") -> Counter[str]:
        pairs = (line.split() for line in self.log.read_text().splitlines())
        return Counter(pair[1] for pair in pairs if len(pair) == 2 and pair[0] == event)

    def wait(self, count: int) -> None:
        """Return once so many calls have been answered."""
        ends = time.monotonic() + 60
        while sum(self.answered().values()) < count:
            assert time.monotonic() < ends, "the run does not get on"
            time.sleep(0.01)

    def stored(self) -> tuple[int, int, int, int]:
        """Return stored replies, calls booked at their upper bound, those counted apart, and solved traces."""
        db = sqlite3.connect(self.store)
        replies, booked = db.execute(
            """select count(*) filter (where json_extract(reply, '$.finish') is not 'left'),
                      count(*) filter (where json_extract(reply, '$.finish') is 'left') from calls"""
        ).fetchone()
        solved = db.execute("select count(*) from traces where error is null").fetchone()[0]
        apart = db.execute("select count(*) from lost_calls").fetchone()[0]
        db.close()
        return replies, booked, apart, solved


class Served:
    """A server in a process of its own."""

    def __init__(self, port: int, options: Sequence[str]) -> None:
        self.port = port
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "latency_server.py"), str(port), *options], stderr=subprocess.DEVNULL
        )
        wait_for(port)

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()


class Wire:
    """A relay between the command and a server, whose line can be cut, or go dead without a word."""

    def __init__(self, port: int) -> None:
        self.to, self.dead = port, False
        self.pairs: list[socket.socket] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.listener.getsockname()[1]}/v1"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.to))
                self.pairs += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while some := source.recv(1 << 16):
                if not self.dead:
                    target.sendall(some)
            target.shutdown(socket.SHUT_WR)

    def cut(self) -> None:
        """Break every connection there is."""
        pairs, self.pairs = self.pairs, []
        for one in pairs:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


def driver_killed(here: Setting) -> None:
    here.serve()
    process = here.start()
    here.wait(100)
    process.kill()
    here.finish(process)
    time.sleep(1)
    here.finish(here.start())


def driver_interrupted(here: Setting) -> None:
    here.serve()
    process = here.start()
    here.wait(100)
    process.send_signal(signal.SIGINT)
    here.finish(process)
    here.finish(here.start())


def server_killed(here: Setting) -> None:
    server = here.serve()
    process = here.start()
    here.wait(100)
    server.kill()
    time.sleep(2)
    here.serve(port=server.port)
    here.finish(process)


def fleet_server_killed(here: Setting) -> None:
    here.serve(), here.serve(), (last := here.serve())
    process = here.start()
    here.wait(100)
    last.kill()
    here.finish(process)


def fleet_server_hung(here: Setting) -> None:
    here.serve(), here.serve(), (last := here.serve())
    process = here.start()
    here.wait(100)
    last.process.send_signal(signal.SIGSTOP)
    here.finish(process)


def over_wire(here: Setting, *, dead: float, cut: bool, timeout: int | None = None) -> None:
    """Let the network between driver and server be silent for so many seconds, and then cut the connections or not."""
    wire = Wire(here.serve().port)
    here.addresses[:] = [wire.address]
    here.more = ["--timeout", str(timeout)] if timeout else here.more
    process = here.start()
    here.wait(100)
    wire.dead = dead > 0
    time.sleep(dead)
    wire.dead = False
    if cut:
        wire.cut()
    here.finish(process)


def provider_loses(here: Setting) -> None:
    here.serve("--lose", "0.05")
    here.finish(here.start())


def provider_drops(here: Setting) -> None:
    here.serve("--drop", "0.05")
    here.finish(here.start())


def disk_full(here: Setting) -> None:
    here.serve()
    process = here.start(limit=360_000)
    here.finish(process)
    time.sleep(1)
    here.finish(here.start())


def store_deleted(here: Setting) -> None:
    here.serve()
    process = here.start()
    here.wait(100)
    for path in here.folder.glob("store.sqlite*"):
        path.unlink()
    here.finish(process)
    [saved] = here.folder.glob("store.sqlite.saved-*")
    saved.rename(here.store)
    time.sleep(1)
    here.finish(here.start())


def second_driver(here: Setting) -> None:
    """Two processes of one command, one of which dies: the other takes its calls over."""
    here.serve()
    first, second = here.start(), here.start()
    here.wait(100)
    first.kill()
    here.finish(first)
    here.finish(second)


DEATHS: dict[str, Callable[[Setting], None]] = {
    "the driver, killed; the same command again": driver_killed,
    "the driver, by Ctrl-C; the same command again": driver_interrupted,
    "one of two drivers of a store, killed": second_driver,
    "the only server, killed, back after 2 s": server_killed,
    "one server of three, killed": fleet_server_killed,
    "one server of three, stopped without a word": fleet_server_hung,
    "all connections, cut": partial(over_wire, dead=0.0, cut=True),
    "the network, dead for 3 s, then reset": partial(over_wire, dead=3.0, cut=True, timeout=4),
    "the network, dead for 4 s; a time-out of 3 s": partial(over_wire, dead=4.0, cut=False, timeout=3),
    "the provider, before it takes 5 % of the calls": provider_drops,
    "the provider, after it answered 5 % of the calls": provider_loses,
    "the store's disk, full; more room, the command again": disk_full,
    "the store, deleted; put back, the command again": store_deleted,
}


@contextmanager
def setting() -> Iterator[Setting]:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        yield Setting(Path(folder), stack)


def measure(name: str) -> dict[str, object]:
    with setting() as here:
        DEATHS[name](here)
        answered = here.answered()
        replies, booked, apart, solved = here.stored()
    answers = sum(answered.values())
    return {
        "what": name, "exit": here.codes,
        "answered": answers, "stored": replies, "lost": answers - replies, "again": answers - len(answered),
        "booked": booked, "apart": apart, "solved": solved, "words": here.lines[0][:110],
    }  # fmt: skip


def faults_of(row: dict[str, object]) -> list[str]:
    """Return what is not as it must be."""
    number = {name: value for name, value in row.items() if isinstance(value, int)}
    wrong = [] if number["solved"] == PROBLEMS else [f"{number['solved']} of {PROBLEMS} solved"]
    bound = PROBLEMS * 0.15 if "5 %" in str(row["what"]) else 4 * FLIGHT
    if number["again"] > max(number["lost"], 0) or number["lost"] > bound:
        wrong.append("more was answered twice than was in flight")
    if number["lost"] > number["booked"] + number["apart"]:
        wrong.append("calls are lost and nowhere counted")
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    names = [name for name in DEATHS if options.only in name]
    print(f"{'what dies':<54} {'exit':>8} answered stored lost again booked apart solved")
    failed = 0
    for name in names:
        row = measure(name)
        wrong = faults_of(row)
        failed += bool(wrong)
        if options.json:
            print(json.dumps({"bench": "deaths", **row, "wrong": wrong}))
            continue
        codes = " ".join(map(str, row["exit"]))  # type: ignore[call-overload]
        print(
            f"{name:<54} {codes:>8} {row['answered']:>8} {row['stored']:>6} {row['lost']:>4} {row['again']:>5} "
            f"{row['booked']:>6} {row['apart']:>5} {row['solved']:>6}  {'; '.join(wrong) or 'as it must be'}"
        )
        print(f"    {row['words']}")
    print(f"bar: {len(names) - failed} of {len(names)} as they must be")
    if failed and not options.json:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
