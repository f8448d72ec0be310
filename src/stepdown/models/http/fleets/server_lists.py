"""Which servers a fleet has: from a variable, from `stepdown.toml`, or from a file that may change while it is used."""

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from stepdown.errors import StepdownError, UsageError, blaming
from stepdown.models.http.addresses import bare_address, clean_address
from stepdown.models.http.endpoints import address_of, provider_of
from stepdown.toml_files import read_toml

CONFIG, OPTION = "stepdown.toml", "--servers"
MOST_SERVERS = 4096
_MOST_BYTES = 1 << 20
_PORTS = {"http": 80, "https": 443}
_SHOWN = "docs/fleet.md shows what it may say"
_HINT = "write one address a line, such as `http://HOST:8000/v1`"


class ServerList(msgspec.Struct, frozen=True):
    """The base URLs of a fleet's servers, and where they stand; `file` is read again as it changes."""

    addresses: tuple[str, ...]
    origin: str
    file: Path | None = None


class _Config(msgspec.Struct, frozen=True):
    models: dict[str, dict[str, Any]] = {}


def find_servers(name: str, given: "Sequence[str] | Path | ServerFiles | None" = None) -> ServerList | None:
    """Return the servers of a model string's fleet, None where it has one address.

    They are `given` as addresses or as files; or else stand, with commas between, in the variable that names the
    provider's address; or else in `[models.PROVIDER]` of `stepdown.toml`. Raises `UsageError`.
    """
    config: Path | None = None
    if isinstance(given, ServerFiles):
        config, given = given.config, given.find(name)
    if isinstance(given, Path):
        return read_servers(given)
    if given is not None:
        return server_list(given, "`servers`")
    provider = provider_of(name)
    variable, address = address_of(provider)
    parts = split_addresses(address)
    if len(parts) > 1:
        return server_list(parts, f"`{variable}`")
    return None if address else find_in_config(provider, config)


def split_addresses(text: str) -> list[str]:
    """Return the addresses in a text with commas between; one in a query parts only where another address follows."""
    parts = re.split(r",\s*(?=https?://)" if "?" in text else ",", text)
    return [one.strip() for one in parts if one.strip()]


def find_in_config(provider: str, file: Path | None = None) -> ServerList | None:
    """Return the servers that `[models.PROVIDER]` of a settings file names, None where it names none.

    Raises `UsageError` for a table that is neither a fleet nor a served method, and for one that is both.
    """
    path = file or Path(CONFIG)
    table = _tables(path).get(provider)
    if table is None or ("servers" not in table and "method" in table):
        return None
    origin = f"`[models.{provider}]` of `{path}`"
    if "servers" not in table:
        raise UsageError(f"{origin} names no `servers`", f"{_SHOWN}, and docs/serving.md what a served method says")
    if more := table.keys() - {"servers"}:
        what = f"{origin} names servers, and has `{min(more)}` too"
        raise UsageError(what, "serve a method under another name; a fleet has `servers` alone")
    try:
        servers = msgspec.convert(table["servers"], tuple[str, ...])
    except msgspec.ValidationError as error:
        raise UsageError(f"cannot read the servers in {origin}: {error}", _SHOWN) from error
    return server_list(servers, origin)


def configured_fleets(file: Path | None = None) -> list[str]:
    """Return the providers that a settings file names servers for. Raises `UsageError`."""
    return [name for name, table in _tables(file or Path(CONFIG)).items() if "servers" in table]


def _tables(path: Path) -> dict[str, dict[str, Any]]:
    return read_toml(path, _Config, "", _SHOWN).models if path.is_file() else {}


def read_servers(file: Path) -> ServerList:
    """Return the servers in a file, an address a line; `#` begins a remark. Raises `UsageError`."""
    origin = f"`{file}`"
    try:
        with file.open("rb") as opened:
            raw = opened.read(_MOST_BYTES + 1)
        lines = raw.decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise UsageError(f"cannot read the servers in {origin}: {why}", _HINT) from error
    if len(raw) > _MOST_BYTES:
        raise UsageError(f"{origin} has over {_MOST_BYTES >> 20} MiB", _HINT)
    found = (line.partition(" #")[0].strip() for line in lines)
    return server_list([one for one in found if one and not one.startswith("#")], origin, file)


def server_list(addresses: Iterable[str], origin: str, file: Path | None = None) -> ServerList:
    """Return a list of servers that can be one. Raises `UsageError` for none, for no address and for one twice."""
    cleaned: dict[str, str] = {}
    for text in addresses:
        address = _clean(text, origin)
        first = cleaned.setdefault(_same(address), address)
        if first is not address:
            raise UsageError(f"{origin} has the server `{bare_address(address)}` twice", "name each server once")
    if not cleaned:
        raise UsageError(f"{origin} names no server", _HINT)
    if len(cleaned) > MOST_SERVERS:
        raise UsageError(f"{origin} names {len(cleaned):,} servers", f"one driver asks up to {MOST_SERVERS:,}")
    return ServerList(tuple(cleaned.values()), origin, file)


def _clean(text: str, origin: str) -> str:
    if len(several := split_addresses(text)) > 1:
        named = ", ".join(bare_address(one) for one in several)
        raise UsageError(f"{origin} has `{named[:200]}` as one server", _HINT)
    try:
        return clean_address(text, "server")
    except StepdownError as error:
        what = f"{origin} names the server `{bare_address(text)[:200]}`, which is no web address"
        raise UsageError(what, _HINT) from error


def _same(address: str) -> str:
    """Return what two ways to write one address have in common: its host as names are compared, its port said."""
    parts = urlsplit(address)
    host = (parts.hostname or "").rstrip(".")
    host = "127.0.0.1" if host == "localhost" else host
    with suppress(ValueError):
        host = str(ip_address(host)) if ":" in host else host.encode("idna").decode()
    return f"{parts.scheme}://{host}:{parts.port or _PORTS[parts.scheme]}{parts.path.rstrip('/')}?{parts.query}"


class ServerFiles:
    """What one command is given by `--servers`, `FILE` or `PROVIDER=FILE`, and the settings file it goes by.

    A plain `FILE` is for the one provider that the command asks.
    """

    def __init__(self, given: Sequence[str] = (), *, config: Path | None = None) -> None:
        self.config = config
        self._named: dict[str, Path] = {}
        self._plain: Path | None = None
        self._first = ""  # the model string that the plain file is for
        self._asked: set[str] = set()  # the providers whose servers were looked for
        for one in given:
            self._add(one)

    def _add(self, text: str) -> None:
        provider, mark, file = text.partition("=")
        named = bool(mark) and bool(re.fullmatch(r"[\w.-]+", provider)) and not Path(text).exists()
        if provider in self._named if named else self._plain is not None:
            raise UsageError(
                f"`{text}` is a second file of servers", "write `PROVIDER=FILE` for each provider, once", option=OPTION
            )
        if named:
            self._named[provider] = Path(file)
        else:
            self._plain = Path(text)
        self.check()

    def check(self) -> None:
        """Refuse files that cannot be read as servers. Raises `UsageError`."""
        for file in (*self._named.values(), *([self._plain] if self._plain else [])):
            with blaming(OPTION):
                read_servers(file)

    @property
    def options(self) -> list[str]:
        """The options of a command line that give these files, from whatever folder it is run."""
        named = [f"{OPTION}={name}={file.resolve()}" for name, file in self._named.items()]
        return named + ([f"{OPTION}={self._plain.resolve()}"] if self._plain else [])

    @property
    def unused(self) -> list[str]:
        """What was given for providers whose servers no model has looked for."""
        named = [f"{name}={file}" for name, file in self._named.items() if name not in self._asked]
        return named + ([str(self._plain)] if self._plain and not self._asked else [])

    def find(self, name: str) -> Path | None:
        """Return the file for a model string. Raises `UsageError` where a plain file is for another provider."""
        provider = provider_of(name)
        self._asked.add(provider)
        if provider in self._named or self._plain is None:
            return self._named.get(provider)
        self._first = self._first or name
        if provider_of(self._first) != provider:
            raise UsageError(
                f"the servers in `{self._plain}` would be for `{self._first}` and for `{name}`",
                f"say which: `--servers {provider_of(self._first)}={self._plain}`",
                option=OPTION,
            )
        return self._plain
