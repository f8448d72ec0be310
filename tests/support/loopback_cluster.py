"""A Ray cluster of several nodes on this machine's loopback addresses, which asks for a token."""

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

# Ray turns 127.0.0.1 into the address by which others reach this machine.
HOST = "127.0.0.2"
_SMALL = 80 * 2**20
# Ray reads its token once in a process.
TOKEN = secrets.token_hex(16)


class LoopbackCluster:
    """The cluster and its nodes by name; `add` and `remove` change it while it runs."""

    def __init__(self, cluster: Any) -> None:
        self._cluster = cluster
        self.nodes: dict[str, Any] = {}

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    def add(self, name: str, *, cards: int = 0, **environment: str) -> None:
        """Start a node of one core, or of cards, which are in Ray's books alone, with a core each."""
        self.nodes[name] = self._cluster.add_node(
            num_cpus=max(1, cards),
            num_gpus=cards,
            node_name=name,
            node_ip_address=HOST,
            object_store_memory=_SMALL,
            env_vars=environment or None,
        )

    def remove(self, name: str) -> None:
        """Kill a node: nothing on it has time to end."""
        self._cluster.remove_node(self.nodes.pop(name), allow_graceful=False)

    @contextmanager
    def joined(self, name: str, *, cards: int = 0, **environment: str) -> Iterator[None]:
        """Have a further node for a while."""
        self.add(name, cards=cards, **environment)
        try:
            yield
        finally:
            self.remove(name)

    def actors(self) -> dict[str, int]:
        """The actors that are not dead, of any driver, by Ray's id: their processes, 0 of one that has none yet."""
        table = self._cluster.global_state.actor_table(None)
        return {name: one.get("Pid") or 0 for name, one in table.items() if one["State"] != "DEAD"}


@contextmanager
def loopback_cluster(*names: str, **environment: str) -> Iterator[LoopbackCluster]:
    """Run a cluster of a node of each name, the first of which nobody kills; its address is in RAY_ADDRESS."""
    before = dict(os.environ)
    folder = Path(tempfile.mkdtemp(prefix="r"))
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN, "RAY_TMPDIR": str(folder)}
    os.environ |= {"RAY_worker_niceness": "0", "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"} | environment
    ray: Any = import_module("ray")
    cluster_of: Any = import_module("ray.cluster_utils").Cluster

    head = {"num_cpus": 1, "node_name": names[0], "node_ip_address": HOST, "object_store_memory": _SMALL}
    made = cluster_of(initialize_head=True, head_node_args=head | {"include_dashboard": False})
    try:
        cluster = LoopbackCluster(made)
        os.environ["RAY_ADDRESS"] = cluster.address
        for name in names[1:]:
            cluster.add(name)
        yield cluster
    finally:
        ray.shutdown()
        made.shutdown()
        os.environ.clear()
        os.environ |= before
