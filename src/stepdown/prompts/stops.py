"""Where a model is stopped that would go on after its answer: before it begins another problem."""

import msgspec

from stepdown.prompts.prompt_set import PromptSet
from stepdown.types import Model, Sampling
from stepdown.usual_stops import ANOTHER, BLANK

# Four is the most that OpenAI's endpoints take.
MOST = 4


def with_stops(
    sampling: Sampling,
    stops: tuple[str, ...] | None,
    words: PromptSet,
    *,
    examples: bool = False,
    completes: bool = False,
) -> Sampling:
    """Return a sampling with these stop sequences, or where None are given with the usual ones, if it has none itself.

    Usual they are for a model that only completes text, and after demonstrations: a chat model that was shown none
    ends its turn by itself.
    """
    if stops is None and sampling.stop:
        return sampling
    usual = (BLANK if words.name == "scotd" else ANOTHER) if examples or completes else ()
    chosen = usual if stops is None else stops
    return msgspec.structs.replace(sampling, stop=chosen) if chosen != sampling.stop else sampling


def completes(model: Model | None) -> bool:
    """Tell whether a model only completes text, and takes no turns."""
    return model is not None and model.capabilities.completes
