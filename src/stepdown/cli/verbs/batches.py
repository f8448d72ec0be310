"""`stepdown batches`: what was sent to batch APIs, and taking up what has come of it."""

from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
from typing import Any

import msgspec
from cyclopts import App, Parameter

from stepdown.cli.console.interrupts import interruptible
from stepdown.cli.console.tables import show_table
from stepdown.cli.console.terminal import say, show, show_json
from stepdown.cli.options import OutputOptions
from stepdown.cli.overview import example_of, give_examples
from stepdown.errors import UsageError, closest
from stepdown.loops import run_loop
from stepdown.runner import BatchClient, Stop
from stepdown.store import Batch, Store

app = App(
    name="batches",
    help="List the batches of the store, wait for them, take up what they brought, or give them up.",
    default_parameter=Parameter(negative=()),
    help_format="plaintext",
    version_flags=(),
    help_epilogue=example_of("batches"),
)
OUTPUT = OutputOptions()


class BatchRow(msgspec.Struct, frozen=True):
    """A batch as JSON has it."""

    batch: str
    model: str
    state: str
    note: str
    remote: str
    created: float
    ended: float | None
    requests: int
    calls: int
    answered: int
    failed: int


def row_of(one: Batch) -> BatchRow:
    """Return a batch as JSON has it."""
    counts = (one.requests, one.calls, one.answered, one.failed)
    return BatchRow(one.id, one.model, one.state, one.note, one.remote, one.created, one.ended, *counts)


@app.default
@app.command(name="list")
def list_batches(*, output: OutputOptions = OUTPUT) -> int:
    """List batches, the oldest first."""
    with output.read() as store:
        _show(store, as_json=output.json)
    return 0


@app.command
def wait(*batches: str, output: OutputOptions = OUTPUT) -> int:
    """Wait until batches are over, and take up what they brought.

    Parameters
    ----------
    batches
        These batches; all open ones where none is named.
    """

    async def work(client: BatchClient, stop: Stop) -> None:
        while stop.why is None and client.open(batches):
            await client.wait(lambda: stop.why is not None, batches)

    return _at_work(batches, work, output)


@app.command
def collect(*batches: str, output: OutputOptions = OUTPUT) -> int:
    """Take up what batches that are over have brought, without waiting for others.

    Parameters
    ----------
    batches
        These batches; all open ones where none is named.
    """

    async def work(client: BatchClient, stop: Stop) -> None:
        await client.look(batches)

    return _at_work(batches, work, output)


@app.command
def cancel(*batches: str, output: OutputOptions = OUTPUT) -> int:
    """Give batches up. What they have answered by then is paid, and taken up once the provider has stopped.

    Parameters
    ----------
    batches
        These batches.
    """
    if not batches:
        raise UsageError("no batch is named", "`stepdown batches` lists them")

    async def work(client: BatchClient, stop: Stop) -> None:
        for one in client.open(batches):
            await client.cancel(one)
        await client.look(batches)
        for one in client.open(batches):
            say(f"batch {one.id} is being cancelled; `stepdown batches wait {one.id}` takes up what it answered")

    return _at_work(batches, work, output)


def _at_work(
    batches: Sequence[str], work: Callable[[BatchClient, Stop], Coroutine[Any, Any, None]], output: OutputOptions
) -> int:
    """Do something about the batches of the store and show how they are; return the code of a wait that was stopped."""
    stop = Stop()
    with output.open() as store:
        _check(store, batches)
        client = BatchClient(store, tell=say)

        async def whole() -> None:
            try:
                await work(client, stop)
            finally:
                await client.close()

        with interruptible(stop):
            run_loop(whole())
        _show(store, batches, as_json=output.json)
    return stop.why.exit_code if stop.why is not None else 0


def _check(store: Store, batches: Sequence[str]) -> None:
    known = [one.id for one in store_batches(store)]
    for name in batches:
        if name not in known:
            close = closest(name, known)
            hint = f"did you mean `{close[0]}`?" if close else "`stepdown batches` lists them"
            raise UsageError(f"there is no batch `{name}`", hint)


def store_batches(store: Store) -> list[Batch]:
    """Return all batches of a store."""
    return BatchClient(store).batches.all()


def _show(store: Store, batches: Sequence[str] = (), *, as_json: bool) -> None:
    chosen = [one for one in store_batches(store) if not batches or one.id in batches]
    if as_json:
        for one in chosen:
            show_json(row_of(one))
        return
    if not chosen:
        show("no batches; `stepdown run ... --batch` sends some")
        return
    rows = [
        (one.id, one.model, f"{datetime.fromtimestamp(one.created):%Y-%m-%d %H:%M}", one.state, str(one.calls),
         str(one.answered), str(one.failed), one.note)
        for one in chosen
    ]  # fmt: skip
    names = ("batch", "model", "sent", "state", "calls", "answered", "failed", "note")
    show_table("Batches", names, rows, words=4)


give_examples(app)
