"""Where a model is stopped that would go on after its answer: before it begins another problem."""

import msgspec

from stepdown.prompts.prompt_set import PromptSet
from stepdown.types import Model, Sampling, Settings

# Four is the most that OpenAI's endpoints take.
MOST = 4
ANOTHER = ("\nQuestion:", "\nProblem:", "\n\nQ:", "\n### Instruction")
# SCoTD's chains are one paragraph, and its demonstrations stand a blank line apart (Li et al. 2023, released code).
BLANK = ("\n\n",)


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


def unstopped(sampling: Sampling) -> Sampling | None:
    """Return the sampling without its usual stop sequences, None where it has others or none.

    Replies from before there were usual stops have no other difference: what was paid for is not asked again.
    """
    return msgspec.structs.replace(sampling, stop=()) if sampling.stop in (ANOTHER, BLANK) else None


def unstopped_run(settings: Settings) -> Settings | None:
    """Return a run's settings without usual stop sequences, as 0.1.0 had them; None where there are none.

    The same command goes on with such a run, which has its id and whose replies are paid for.
    """
    sampling, teacher = unstopped(settings.sampling), unstopped(settings.teacher_sampling)
    if sampling is None and teacher is None:
        return None
    return msgspec.structs.replace(
        settings, sampling=sampling or settings.sampling, teacher_sampling=teacher or settings.teacher_sampling
    )
