"""A Ray cluster: the running one or a local one, who belongs to it, and whether a node is like this machine."""

import os
import secrets
import socket
import sys
from importlib import import_module
from pathlib import Path
from platform import python_version
from typing import Any, NamedTuple

from stepdown.errors import EndpointRefused, MissingExtra, StepdownError, UsageError
from stepdown.text import clipped
from stepdown.version import __version__

ADDRESS = "RAY_ADDRESS"
_MODE, _TOKEN = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN"
# Ray turns 127.0.0.1 into the address by which others reach this machine, and leaves its other loopback ones alone.
_LOOPBACK = "127.0.0.2"
_PATIENCE = 5.0
_LONGEST = 300


class ClusterNode(NamedTuple):
    """A node that is alive: Ray's id of it, its name or else its address, its cores and graphics cards."""

    id: str
    name: str
    cpus: int
    gpus: int


class Versions(NamedTuple):
    """What must be the same on every node, or the same words would do other things there."""

    stepdown: str
    python: str


def versions() -> Versions:
    """Return the versions of this process."""
    return Versions(__version__, python_version())


def difference(node: Versions, driver: Versions) -> str:
    """Return in words in which version a node differs; "" where it does not."""
    pairs = zip(("stepdown", "Python"), node, driver, strict=True)
    return ", ".join(f"{name} `{there}` and not `{here}`" for name, there, here in pairs if there != here)


def other_versions(node: str, found: str) -> UsageError:
    """Return the error for a node, by its id, of other versions."""
    name = next((one.name for one in nodes() if one.id == node), node)
    return UsageError(
        f"the node `{name}` has {found}", "install the same versions on every node, or take it out of the cluster"
    )


def node_here() -> str:
    """Return Ray's id of the node that this worker is on."""
    return str(load_ray().get_runtime_context().get_node_id())


def load_ray() -> Any:
    """Return the ray module; raise `MissingExtra` where it is not installed."""
    try:
        return import_module("ray")
    except ImportError as error:
        raise MissingExtra("ray", "ray", "`--on ray`") from error


def connect() -> Any:
    """Return ray, connected: to `RAY_ADDRESS`, to the cluster that runs on this machine, or to one started now.

    One that is started listens on this machine's loopback address alone, asks for a token that only it and this process
    know, and ends with this process. Raises `MissingExtra`, `UsageError` and `EndpointRefused`.
    """
    address = _address()
    if not address:
        # Before ray is imported, which reads them.
        os.environ.setdefault(_MODE, "token")
        os.environ.setdefault(_TOKEN, secrets.token_hex(16))
    ray = load_ray()
    if ray.is_initialized():
        return ray
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    host = address.rpartition(":")[0]
    if not address:
        options |= {"include_dashboard": False} | ({"_node_ip_address": _LOOPBACK} if sys.platform == "linux" else {})
    elif host.startswith("127."):
        options["_node_ip_address"] = host
    try:
        ray.init(address=address or "local", **options)
    except Exception as error:
        raise _refusal(address, error) from error
    # Ray reports every worker that dies on stdout, where results go; what matters of it we say ourselves.
    ray._private.worker._worker_logs_enabled = False
    return ray


def nodes() -> list[ClusterNode]:
    """Return the nodes that are alive; raises `EndpointRefused` where the cluster no longer answers."""
    try:
        found = load_ray().nodes()
    except Exception as error:
        raise EndpointRefused("the Ray cluster no longer answers", "the same command goes on once it runs") from error
    return [
        ClusterNode(
            one["NodeID"],
            one["NodeName"],
            int(one["Resources"].get("CPU", 0)),
            int(one["Resources"].get("GPU", 0)),
        )
        for one in found
        if one["Alive"]
    ]


def _address() -> str:
    """Return the address of the cluster to join; "" where one is to be started. Raises `UsageError`."""
    given = os.environ.get(ADDRESS, "")
    if "://" in given:
        raise UsageError(
            f"`{ADDRESS}={given}` is an address of Ray Client, which Ray gives up and which hides a lost connection",
            "run the command on the cluster: `ray job submit -- stepdown ...` (docs/ray.md)",
        )
    if given and given not in ("auto", "local"):
        if not _answers(given):
            raise EndpointRefused(
                f"no Ray cluster answers at `{ADDRESS}={given}`",
                "`ray start --head` starts one",
            )
        return given
    running = "" if given == "local" else _running()
    if given == "auto" and not running:
        raise EndpointRefused("no Ray cluster runs on this machine", "`ray start --head` starts one")
    return running


def _running() -> str:
    """Return the address of the cluster that `ray start` noted on this machine, if it still answers."""
    note = Path(os.environ.get("RAY_TMPDIR", "/tmp")) / "ray" / "ray_current_cluster"
    try:
        address = note.read_text().strip()
    except OSError:
        return ""
    return address if _answers(address) else ""


def _answers(address: str) -> bool:
    """Whether something listens at HOST:PORT: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE):
            return True
    except (OSError, ValueError, OverflowError):
        return False


def _refusal(address: str, error: Exception) -> StepdownError:
    text = clipped(str(error), _LONGEST)
    if "ersion mismatch" in text:
        return UsageError(
            f"the Ray cluster at `{address}` has other versions: {text}",
            "install the same Python and ray here as there",
        )
    token = f"{_MODE}=token and {_TOKEN}, or the file ~/.ray/auth_token"
    if "uthentication" in text or "token" in text.lower():
        return EndpointRefused(
            f"the Ray cluster at `{address}` refuses this process: {text}", f"give its token: {token}"
        )
    if address and "Failed to connect" in text:
        # Something listens there, or it would not have been tried. To another token Ray does not say more.
        return EndpointRefused(
            f"what listens at `{address}` does not let this process in: {text}",
            f"it may be no Ray cluster, or one with another token; give its: {token}",
        )
    where = f"at `{address}`" if address else "on this machine"
    return EndpointRefused(f"no Ray cluster {where}: {text}", "`ray status` says what is wrong with it")
