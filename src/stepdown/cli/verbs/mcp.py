"""`stepdown mcp`: the store's runs for clients of the Model Context Protocol, read only, over stdin and stdout."""

import sys
from dataclasses import dataclass

from cyclopts import Parameter

from stepdown.cli.console.terminal import say
from stepdown.cli.mcp.offline import refuse_connections
from stepdown.cli.options import OUTPUT, PricesFile, StorePath
from stepdown.extras import require
from stepdown.store import default_path


@Parameter(name="*", group=OUTPUT)
@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """What is read."""

    store: StorePath = None
    prices: PricesFile = None


READ = ReadOptions()


def mcp(*, read: ReadOptions = READ) -> int:
    """Serve a client until it closes stdin; the store is only read, and no connection is opened."""
    require(["mcp"], "`stepdown mcp`")
    from stepdown.cli.mcp.readings import StoreReadings
    from stepdown.cli.mcp.server import server

    path = (read.store or default_path()).absolute()
    if sys.stdin.isatty():
        say(
            f"a client of the Model Context Protocol starts this command: `stepdown mcp --store {path}`; Ctrl-C ends it"
        )
    serving = server(StoreReadings(path, read.prices))
    refuse_connections()
    serving.run("stdio")
    return 0
