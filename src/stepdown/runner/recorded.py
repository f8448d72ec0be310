"""`load_model`, and `recorded/RUN`, which replays a stored run."""

from collections.abc import Callable

from stepdown.models import RecordedModel, index_replies, load_model
from stepdown.store import Run, Store
from stepdown.types import Model


def load_model_or_run(name: str, store: Store, *, load: Callable[[str], Model] = load_model) -> Model:
    """Return the model of a model string; `recorded/RUN` answers what that run of the store was answered.

    `load` is `load_model` with the options of one's own.
    """
    if name.startswith("recorded/"):
        return model_of_run(store.run(name.removeprefix("recorded/")))
    return load(name)


def model_of_run(run: Run) -> RecordedModel:
    """Return a model that gives the replies of a run to the messages that got them; they lie in memory."""
    calls = (call for trace in run.traces() for call in trace.calls)
    # Samples share a plan's call, and problems with one question all their calls: each is one draw.
    drawn = {(call.messages, call.sample, call.reply.text): call.reply for call in calls}
    replies = index_replies((messages, reply) for (messages, _, _), reply in drawn.items())
    return RecordedModel(run.id, replies, source=f"recorded/{run.id}")
