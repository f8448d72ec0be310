"""`stepdown serve`: the pages in a browser and the OpenAI-compatible endpoint, both from one address."""

import asyncio
import secrets
import socket
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from stepdown.cli.console.terminal import say
from stepdown.cli.downloads import download
from stepdown.cli.from_settings import verb
from stepdown.cli.options import CHOICE, OUTPUT, Flag, StorePath
from stepdown.cli.resident_engine import EngineOptions, serve_engine
from stepdown.cli.unused_options import given, refuse
from stepdown.errors import UsageError
from stepdown.models import Prices, Secret, ServerFiles, find_setting
from stepdown.runner import Budget
from stepdown.settings import BudgetSettings
from stepdown.store import default_path
from stepdown.tour import CORPUS, STORE, Way
from stepdown.workers import connect

if TYPE_CHECKING:
    from stepdown.web import State
    from stepdown.web.security import AccessRules

TOKEN = "STEPDOWN_TOKEN"
_PLACE = {"0.0.0.0", "::"}


@Parameter(name="*", group=CHOICE)
@dataclass(frozen=True, kw_only=True)
class AddressOptions:
    """Where it serves, and to whom.

    Parameters
    ----------
    host
        The address to serve at; any but this machine's own needs a token.
    port
        The port; 0 takes any free one.
    token
        Make a token, say it once and ask everybody for it; otherwise STEPDOWN_TOKEN of the environment is asked for.
    allow_host
        Another name under which the server is asked, such as a proxy's; may be given several times.
    allow_origin
        A site whose pages may ask /v1 from a browser, such as `https://notes.example`; may be given several times.
    open
        Open the pages in a browser.
    verbose
        Write a line per request to stderr.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Parameter(validator=Number(gte=0, lte=65535))] = 8765
    token: Flag = False
    allow_host: Annotated[tuple[str, ...], Parameter(show_default=False)] = ()
    allow_origin: Annotated[tuple[str, ...], Parameter(show_default=False)] = ()
    open: Flag = False
    verbose: Flag = False

    def secret(self) -> Secret:
        """Return the token. Raises `UsageError` where there must be one and is none, or it is easily guessed."""
        from stepdown.web.security import SHORTEST

        token = Secret(secrets.token_urlsafe(24) if self.token else find_setting(TOKEN))
        if not token and not _is_here(self.host):
            raise UsageError(
                f"`--host {self.host}` is reachable from other machines, and no token is set",
                f"set {TOKEN}, or add --token to be given one; 127.0.0.1 needs none",
            )
        if token and len(token.reveal()) < SHORTEST:
            raise UsageError(f"{TOKEN} is easily guessed", f"give {SHORTEST} characters or more, or use --token")
        return token

    def rules(self, origins: tuple[str, ...] = (), *, read_only: bool = False) -> "AccessRules":
        """Return who is let in; `origins` are those that the settings file allows besides."""
        from stepdown.web.security import LOOPBACK, AccessRules, checked_origin

        hosts = LOOPBACK | {name.lower() for name in (self.host, *self.allow_host)}
        return AccessRules(
            hosts=hosts - _PLACE,
            any_address=self.host in _PLACE,
            verbose=self.verbose,
            origins=frozenset(checked_origin(one) for one in (*self.allow_origin, *origins)),
            read_only=read_only,
        )


@Parameter(name="*", group=OUTPUT)
@dataclass(frozen=True, kw_only=True)
class ServedOptions:
    """What it serves.

    Parameters
    ----------
    config
        A file that names models, data sets and students; otherwise `stepdown.toml` here, if it is there.
    corpus
        A corpus' folder that the pages may show and train on; may be given several times.
    students
        The folder of the studies that pages start and show.
    servers
        A file of servers that all serve one model, asked as one fleet, read again as it changes; `PROVIDER=FILE` where
        models of several providers are asked; may be given several times.
    read_only
        Only show what is there: no form, nothing written, no model asked, nothing at /v1.
    prepare
        Load the models of the file's [models] at the start, not at their first request.
    on
        Hold each model of this machine on every node of a Ray cluster (docs/ray.md).
    """

    store: StorePath = None
    config: Path | None = None
    corpus: Annotated[tuple[Path, ...], Parameter(show_default=False)] = ()
    students: Path = Path("students")
    servers: Annotated[tuple[str, ...], Parameter(show_default=False)] = ()
    read_only: Flag = False
    prepare: Flag = False
    on: Literal["ray"] | None = None

    def folders(self) -> tuple[Path, ...]:
        """Return the corpora's folders. Raises `UsageError` for one that is not there, and for two of one name."""
        paths: dict[str, Path] = {}
        for folder in self.corpus:
            if not folder.is_dir():
                raise UsageError(
                    f"there is no corpus `{folder}`", "give the folder that `stepdown sample` or `keep` wrote"
                )
            path = folder.resolve()
            other = paths.setdefault(path.name, path)
            if other != path:
                raise UsageError(
                    f"`{other}` and `{path}` have the same name, by which pages name a corpus",
                    "rename one of the folders",
                )
        return tuple(paths.values())


ADDRESS, SERVED, SPENDING, ENGINE = AddressOptions(), ServedOptions(), BudgetSettings(), EngineOptions()


@verb
def serve(
    *,
    reach: AddressOptions = ADDRESS,
    served: ServedOptions = SERVED,
    spend: BudgetSettings = SPENDING,
    engine: EngineOptions = ENGINE,
) -> int:
    """Serve the pages and the endpoint until Ctrl-C, or with --engine models for `stepdown ask`."""
    if engine.engine:
        unused = given(reach) + given(served) + given(spend)
        refuse(unused, "--engine serves no pages", "leave it out, or leave --engine out")
        return serve_engine(engine)
    refuse(given(engine, "idle", "stop"), "pages are served until Ctrl-C", "add --engine, or leave it out")
    if served.on:
        # Before anybody waits for an answer: joining a cluster takes seconds, and may be refused.
        connect()
    token = reach.secret()
    asyncio.run(_serve(reach, lambda: _state(served, spend, token), prepare=served.prepare))
    say("ended")
    return 0


def serve_tour(folder: Path, way: Way, *, port: int) -> None:
    """Serve a copied study to this machine until Ctrl-C, its way beside the pages, and open the first in a browser."""
    from stepdown.web import Config, Places, State

    def make() -> State:
        state = State(folder / STORE, config=Config(), places=Places(corpora=(folder / CORPUS,)))
        state.way = way
        return state

    asyncio.run(_serve(AddressOptions(port=port, open=True), make))
    say("ended")


async def _serve(reach: AddressOptions, make: Callable[[], "State"], *, prepare: bool = False) -> None:
    from stepdown.web.server import address_of, bind
    from stepdown.web.server import serve as serve_app

    with bind(reach.host, reach.port) as bound:
        state = make()
        try:
            rules = reach.rules(state.config.origins, read_only=state.read_only)
            if prepare and not state.read_only:
                await _prepare(state)
            address = address_of(bound, reach.host)
            await serve_app(state, bound, rules=rules, listening=lambda: _tell(address, reach, state))
        finally:
            await state.close()


def _state(served: ServedOptions, spend: BudgetSettings, token: Secret) -> "State":
    from stepdown.web import Places, State, load_config

    return State(
        served.store or default_path(),
        config=load_config(served.config),
        prices=spend.prices,
        budget=Budget(Prices(spend.prices), money=spend.budget, tokens=spend.max_tokens_total),
        token=token,
        read_only=served.read_only,
        places=Places(
            ServerFiles(served.servers, config=served.config),
            on=served.on or "",
            corpora=served.folders(),
            students=served.students,
        ),
    )


async def _prepare(state: "State") -> None:
    """Load the models that have names, weights first."""
    served = state.config.models.values()
    names = dict.fromkeys(name for one in served for name in (one.planner, one.teacher, one.student) if name)
    await asyncio.to_thread(download, names)
    for name in names:
        model = state.load(name)
        if not model.capabilities.connects:
            say(f"loading {name}")
            await model.prepare()


def _tell(address: str, reach: AddressOptions, state: "State") -> None:
    """Say where it serves and how a program asks it; a study that is only shown has nothing to ask."""
    if state.way:
        say(
            f"serving {address} (Ctrl-C ends it)",
            *(f"{one.number} {one.title}: {address}{one.address}" for one in state.way.stops),
        )
    else:
        _tell_programs(address, reach, state)
    if reach.open:
        asyncio.get_running_loop().run_in_executor(None, webbrowser.open, address)


def _tell_programs(address: str, reach: AddressOptions, state: "State") -> None:
    model = next(iter(state.config.models), "trace-of-thought/TEACHER->STUDENT")
    bearer = f' -H "Authorization: Bearer ${TOKEN}"' if state.auth else ""
    body = f'{{"model": "{model}", "messages": [{{"role": "user", "content": "What is 3 times 4?"}}]}}'
    if state.read_only:
        say(f"serving {address}, read-only (Ctrl-C ends it)")
    else:
        say(f"serving {address} (Ctrl-C ends it)", f"OpenAI-compatible base URL: {address}/v1")
    if reach.token:
        say(f"token, said this once: {state.token.reveal()}")
    if not state.read_only:
        say("", f"curl {address}/v1/chat/completions -H 'Content-Type: application/json'{bearer} \\", f"  -d '{body}'")


def _is_here(host: str) -> bool:
    """Whether only this machine can reach an address; a name counts by every address it stands for."""
    try:
        places = {address[4][0] for address in socket.getaddrinfo(host, None)} if host else set()
    except OSError:
        places = set()
    return bool(places) and all(ip_address(str(path).partition("%")[0]).is_loopback for path in places)
