"""What sends a command's batches, as its options say."""

from collections.abc import Sequence

from stepdown.cli.console.terminal import say
from stepdown.errors import UsageError
from stepdown.runner import BatchClient, Task, models_of
from stepdown.settings import BatchSettings
from stepdown.store import Store


def batch_client_of(spend: BatchSettings, tasks: Sequence[Task], store: Store) -> BatchClient | None:
    """Return what sends the calls of tasks in batches, None where their calls are made at once. Raises `UsageError`."""
    if not spend.batch:
        if spend.leave:
            raise UsageError("--leave leaves batches behind, and there are none", "add --batch", option="--leave")
        return None
    client = BatchClient(store, waits=not spend.leave, tell=say)
    client.check([model for task in tasks for model in models_of(task)])
    return client
