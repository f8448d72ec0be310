"""What a call is known by: its key in the store in whatever words it was said, or the one that is new."""

from stepdown.identity import normal
from stepdown.prompts.stops import unstopped
from stepdown.store import Store, call_key, call_keys
from stepdown.types import Messages, Model, Sampling
from stepdown.usercode import source_of


def find_key(store: Store, model: Model, messages: Messages, sampling: Sampling, sample: int) -> bytes:
    """Return the key of a call that the store has, else the key of its usual form.

    So the command line, a page and a program find one another's calls, and two that ask at once ask for one.
    """
    source = source_of(model)
    if not store.has_other_words():
        return call_key(model.name, source, messages, normal(sampling), sample)
    keys = call_keys(model.name, source, messages, sampling, sample)
    if (before := unstopped(sampling)) is not None:
        keys += call_keys(model.name, source, messages, before, sample)
    there = {bytes(key) for (key,) in store.calls("key", keys)}
    found = next((key for key in keys if key in there), None)
    return found or call_key(model.name, source, messages, normal(sampling), sample)
