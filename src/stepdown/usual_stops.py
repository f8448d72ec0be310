"""The usual stop sequences, and what a sampling or a run is without them."""

import msgspec

from stepdown.types import Sampling, Settings

ANOTHER = ("\nQuestion:", "\nProblem:", "\n\nQ:", "\n### Instruction")
# SCoTD's chains are one paragraph, and its demonstrations stand a blank line apart (Li et al. 2023, released code).
BLANK = ("\n\n",)


def unstopped(sampling: Sampling) -> Sampling | None:
    """Return the sampling without its usual stop sequences, None where it has others or none.

    Replies from before there were usual stops have no other difference: what was paid for is not asked again.
    """
    return msgspec.structs.replace(sampling, stop=()) if sampling.stop in (ANOTHER, BLANK) else None


def has_own_stops(sampling: Sampling) -> bool:
    """Tell whether a sampling has stop sequences, and not usual ones."""
    return bool(sampling.stop) and unstopped(sampling) is None


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
